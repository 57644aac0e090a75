import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { findRedisServer, type RedisServer, startRedisServer } from '../../src/assemble/demo/redis-server.ts'

/** A Redis for one test file. */
export interface TestRedis {
  readonly url: string
  readonly port: number
  /** Begin every key with this: the server may be shared. */
  readonly prefix: string
  /** Whether {@link restart} and {@link pause} work: the server belongs to the test. */
  readonly isPrivate: boolean
  /** Ends a private server; on a shared one, deletes every key under {@link prefix}. */
  stop(): Promise<void>
  /** Starts the private server again on the same port, empty; also after {@link stop}. */
  restart(): Promise<void>
  /** Runs one command, such as `cli('GET', key)`. A list comes back one element a line, nil as an empty text. */
  cli(...args: string[]): Promise<string>
  /** Freezes the private server at once, connections stay open; resolves when it runs again, `ms` later. */
  pause(ms: number): Promise<void>
}

export interface TestRedisOptions {
  /** The test stops, restarts or pauses the server: always start a private one. */
  readonly faults?: boolean
  /** Command-line options for a private server, which they imply. */
  readonly args?: readonly string[]
}

/**
 * Uses the server named by REDIS_URL when no fault control is asked for, else starts a private one.
 *
 * @throws Error naming what to install when there is neither
 */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const shared = process.env['REDIS_URL']
  const prefix = `hopgate-test-${randomBytes(6).toString('hex')}:`
  if (shared !== undefined && shared !== '' && !options.faults && options.args === undefined) {
    return useShared(shared, prefix)
  }
  const binary = findRedisServer()
  if (binary === undefined) {
    throw new Error(
      'this test needs a Redis server: install redis-server or valkey-server so that it is on PATH' +
        (options.faults
          ? ' (REDIS_URL is not enough: the test stops and restarts it)'
          : ', or set REDIS_URL'),
    )
  }
  const args = options.args ?? []
  let server: RedisServer = await startRedisServer({ binary, args })
  const { port, url } = server
  return {
    url,
    port,
    prefix,
    isPrivate: true,
    stop: () => server.stop(),
    async restart() {
      await server.stop()
      server = await startRedisServer({ binary, args, port })
    },
    cli: (...command) => run(url, command),
    async pause(ms) {
      process.kill(server.pid, 'SIGSTOP')
      await sleep(ms)
      process.kill(server.pid, 'SIGCONT')
    },
  }
}

function useShared(url: string, prefix: string): TestRedis {
  const refuse = async () => {
    throw new Error('a shared Redis is not stopped or paused: ask for one with { faults: true }')
  }
  return {
    url,
    port: Number(new URL(url).port || 6379),
    prefix,
    isPrivate: false,
    async stop() {
      const keys = (await run(url, ['KEYS', `${prefix}*`])).split('\n').filter(key => key !== '')
      if (keys.length > 0) await run(url, ['UNLINK', ...keys])
    },
    restart: refuse,
    cli: (...command) => run(url, command),
    pause: refuse,
  }
}

async function run(url: string, [command = 'PING', ...args]: readonly string[]): Promise<string> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return format(await client.call(command, ...args))
  } finally {
    client.disconnect()
  }
}

function format(answer: unknown): string {
  if (Array.isArray(answer)) return answer.map(format).join('\n')
  return answer === null || answer === undefined ? '' : String(answer)
}
