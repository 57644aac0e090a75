import type { Redis, RedisOptions } from 'ioredis'
import { channels } from '../../base/channels.ts'
import { createWriteGathering } from '../../base/gather-writes.ts'
import type { Log } from '../../base/log.ts'
import { redisOptions } from '../../base/redis-options.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Secret } from '../../base/secret.ts'

export interface RedisConnectionOptions {
  /** `redis:` or `rediss:`, with user, password and database number where needed. */
  readonly url: Secret
  /** Longest wait for one answer, and for a connection. */
  readonly timeoutMs: number
  /** A key that may be read to see whether the server serves us. */
  readonly probeKey: string
  /** PEM certificates that are trusted instead of the system's. */
  readonly ca?: string
  readonly log: Log
}

/** Why a command got no answer: an error code of Redis or of the socket, never a message that may quote something. */
export type RedisFailure = string

/** Answers of Redis that mean 'not now, for nobody', as opposed to 'not this command'. */
const outOfService: ReadonlySet<RedisFailure> = new Set([
  'NOAUTH',
  'WRONGPASS',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'BUSY',
])

const firstProbeMs = 250
const slowestProbeMs = 2_000
const readOnlyReconnectMs = 30_000

/**
 * A connection that is up or down. While it is up, every command is answered or given up within the time limit. The
 * first failure takes it down, and then a command costs nothing: nothing is sent or queued for a caller until a
 * probe in the background was answered. Connects in the background; the start never waits for it.
 */
export class RedisConnection {
  #redis: Redis | undefined
  readonly #log: Log
  readonly #probeKey: string
  readonly #gatherWrites = createWriteGathering()
  #state: 'unknown' | 'up' | 'down' = 'unknown'
  #lastError: RedisFailure = 'connection lost'
  #probing = false
  #probeDelayMs = firstProbeMs
  #probeTimer: NodeJS.Timeout | undefined
  #mayReconnectAtMs = 0
  #closed = false

  /** Throws a TypeError for a URL that is not one of Redis; the message does not quote it. */
  constructor(options: RedisConnectionOptions) {
    this.#log = options.log
    this.#probeKey = options.probeKey
    const settings = clientOptions(options)
    setImmediate(() => void this.#open(settings))
  }

  /** The library takes as long to load as half of the start: only with a Redis, and when the sidecar listens. */
  async #open(settings: ClientOptions): Promise<void> {
    const { Redis } = await import('ioredis')
    if (this.#closed) return
    const redis = new Redis(settings)
    this.#redis = redis
    redis.on('error', (error: unknown) => {
      this.#lastError = failureOf(error)
    })
    redis.on('ready', () => {
      // When a probe is due soon anyway it decides; a server that accepts and says nothing is not asked in a loop.
      if (this.#probeTimer === undefined) this.#probe()
    })
    redis.on('close', () => this.#goDown(this.#lastError))
    redis.connect().catch(() => {})
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** Runs one command. Undefined, at once, while the connection is down; never throws. */
  attempt<T>(command: (redis: Redis) => Promise<T>): Promise<Result<T, RedisFailure>> | undefined {
    const redis = this.#redis
    if (this.#state !== 'up' || redis === undefined) return undefined
    this.#gatherWrites(redis.stream)
    return this.#run(redis, command)
  }

  async #run<T>(redis: Redis, command: (redis: Redis) => Promise<T>): Promise<Result<T, RedisFailure>> {
    try {
      return ok(await command(redis))
    } catch (error) {
      const failure = failureOf(error)
      if (!isReply(error) || outOfService.has(failure)) this.#goDown(failure)
      else if (failure === 'READONLY') this.#lookForPrimary(redis)
      return fail(failure)
    }
  }

  /** Ends the connection for good. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#probeTimer)
    this.#redis?.disconnect()
  }

  #goUp(): void {
    this.#probeDelayMs = firstProbeMs
    this.#lastError = 'connection lost'
    if (this.#state === 'up' || this.#closed) return
    this.#state = 'up'
    this.#log.info('Redis is up')
    channels.redis.publish({ state: 'up' })
  }

  #goDown(reason: RedisFailure): void {
    if (this.#closed) return
    this.#probeLater()
    if (this.#state === 'down') return
    this.#state = 'down'
    this.#log.warn('Redis is down, issued tokens are kept in memory only', { reason })
    channels.redis.publish({ state: 'down' })
  }

  #probeLater(): void {
    if (this.#probeTimer !== undefined || this.#closed) return
    this.#probeTimer = setTimeout(() => {
      this.#probeTimer = undefined
      this.#probe()
    }, this.#probeDelayMs).unref()
    this.#probeDelayMs = Math.min(this.#probeDelayMs * 2, slowestProbeMs)
  }

  /** Asks for one key. The socket's own loss and return is the client library's business; `ready` leads here again. */
  #probe(): void {
    const redis = this.#redis
    if (this.#probing || this.#closed || redis?.status !== 'ready') return
    this.#probing = true
    void this.#ask(redis).then(answer => {
      this.#probing = false
      if (answer === 'served') return this.#goUp()
      this.#goDown(this.#lastError)
      // A socket that swallows commands is not worth waiting for; a new one may reach a living server.
      if (answer === 'silent' && redis.status === 'ready') redis.disconnect(true)
    })
  }

  async #ask(redis: Redis): Promise<'served' | 'refused' | 'silent'> {
    try {
      await redis.exists(this.#probeKey)
      return 'served'
    } catch (error) {
      this.#lastError = failureOf(error)
      if (!isReply(error)) return 'silent'
      return outOfService.has(this.#lastError) ? 'refused' : 'served'
    }
  }

  /** After a failover the same name may lead to another server; asks once in a while, because reads still work here. */
  #lookForPrimary(redis: Redis): void {
    const nowMs = performance.now()
    if (nowMs < this.#mayReconnectAtMs) return
    this.#mayReconnectAtMs = nowMs + readOnlyReconnectMs
    this.#lastError = 'READONLY'
    redis.disconnect(true)
  }
}

type ClientOptions = RedisOptions & { readonly replyMapping: 'legacy' }

function clientOptions(options: RedisConnectionOptions): ClientOptions {
  return {
    ...redisOptions(options.url, options.ca),
    lazyConnect: true,
    connectTimeout: Math.max(options.timeoutMs, 1_000),
    commandTimeout: options.timeoutMs,
    enableReadyCheck: false,
    retryStrategy: times => Math.min(50 * 2 ** Math.min(times, 6), 2_000) + Math.floor(Math.random() * 100),
  }
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

/** The leading code of an error reply, the code of a socket error, or one of two words of our own. */
function failureOf(error: unknown): RedisFailure {
  if (isReply(error)) return /^[A-Z]{2,20}\b/.exec(error.message)?.[0] ?? 'ERR'
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error && error.message === 'Command timed out' ? 'timeout' : 'connection lost'
}
