import { Redis } from 'ioredis'
import type { Clock } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import { redisOptions } from '../base/redis-options.ts'
import type { Secret } from '../base/secret.ts'
import { type ReplayStore, ReplayStoreError } from './replay-store.ts'

export interface RedisReplayStoreOptions {
  /** `redis:` or `rediss:`, with user, password and database number where needed. */
  readonly url: Secret
  /** Prefix of every key. */
  readonly prefix: string
  /** Longest wait for one answer. */
  readonly timeoutMs: number
}

/**
 * A replay store that replicas share. A key is stored under its SHA-256 and only for its own life. Redis being down,
 * slow, read-only or full is the same: the store cannot know, and rejects.
 *
 * Redis replicates asynchronously: a key that was written just before a failover can be forgotten with its primary.
 *
 * @throws TypeError for a URL that is not one of Redis; the message does not quote it
 */
export function createRedisReplayStore(options: RedisReplayStoreOptions, clock: Clock): ReplayStore {
  const redis = new Redis({
    ...redisOptions(options.url),
    connectTimeout: options.timeoutMs,
    commandTimeout: options.timeoutMs,
    retryStrategy: attempt => Math.min(attempt * 100, 2_000),
  })
  // Without a listener an error event would end the process. Each call meets the trouble by itself.
  redis.on('error', () => {})
  const connected = redis.status === 'ready' ? Promise.resolve() : untilSettled(redis, options.timeoutMs)
  return {
    async use(key, expiresAt) {
      await connected
      const lifeMs = Math.ceil((expiresAt - clock.now()) * 1000)
      if (lifeMs <= 0) return false
      const name = `${options.prefix}replay:${sha256Base64Url(key)}`
      try {
        return (await redis.set(name, '1', 'PX', lifeMs, 'NX')) === 'OK'
      } catch {
        // Nothing of ioredis' error: it carries the command with its arguments.
        throw new ReplayStoreError('the store of used ids does not answer')
      }
    },
    close: async () => redis.disconnect(),
  }
}

/** Resolves when the first attempt to connect has ended, well or badly, so that the first use does not race it. */
function untilSettled(redis: Redis, timeoutMs: number): Promise<void> {
  return new Promise(resolve => {
    const settle = (): void => {
      clearTimeout(timer)
      redis.off('ready', settle)
      redis.off('error', settle)
      resolve()
    }
    const timer = setTimeout(settle, timeoutMs)
    redis.once('ready', settle)
    redis.once('error', settle)
  })
}
