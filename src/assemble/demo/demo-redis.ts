import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { channels } from '../../base/channels.ts'
import { findRedisServer, startRedisServer } from './redis-server.ts'

/** The Redis that the demo's gates share. */
export interface DemoRedis {
  readonly url: string
  readonly prefix: string
  /** For people: whose it is. */
  readonly description: string
  stop(): Promise<void>
}

/**
 * The server named by REDIS_URL when it can be reached, else a private one, else none.
 *
 * @param tell hears why there is none
 */
export async function openDemoRedis(tell: (line: string) => void): Promise<DemoRedis | undefined> {
  const prefix = `hopgate-demo-${randomBytes(6).toString('hex')}:`
  const named = process.env['REDIS_URL']
  if (named !== undefined && named !== '') {
    if (await isReachable(named)) {
      return { url: named, prefix, description: 'the server of REDIS_URL', stop: async () => {} }
    }
    tell('REDIS_URL names a server that cannot be reached: issued tokens are kept in memory only')
    return undefined
  }
  const binary = findRedisServer()
  if (binary === undefined) {
    tell('no redis-server on PATH: issued tokens are kept in memory only')
    return undefined
  }
  const server = await startRedisServer({ binary })
  return {
    url: server.url,
    prefix,
    description: `a private server on port ${server.port}`,
    stop: server.stop,
  }
}

/**
 * Counts how many caches have reached Redis from now on: they connect in the background, and what is exchanged
 * before is not shared.
 */
export function watchRedis(): { waitFor(count: number): Promise<void> } & Disposable {
  let up = 0
  let wake: (() => void) | undefined
  const listener = (message: unknown) => {
    if (typeof message === 'object' && message !== null && 'state' in message && message.state === 'up') up++
    wake?.()
  }
  channels.redis.subscribe(listener)
  return {
    waitFor: count =>
      new Promise(resolve => {
        const giveUp = setTimeout(resolve, 3_000)
        wake = () => {
          if (up < count) return
          clearTimeout(giveUp)
          resolve()
        }
        wake()
      }),
    [Symbol.dispose]: () => channels.redis.unsubscribe(listener),
  }
}

function isReachable(url: string): Promise<boolean> {
  return new Promise(resolve => {
    if (!URL.canParse(url)) return resolve(false)
    const { hostname, port } = new URL(url)
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || 6379),
      timeout: 2_000,
    })
    const finish = (reached: boolean) => {
      socket.destroy()
      resolve(reached)
    }
    socket.once('connect', () => finish(true))
    socket.once('timeout', () => finish(false))
    socket.once('error', () => finish(false))
  })
}
