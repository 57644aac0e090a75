import { Redis } from 'ioredis'
import { createWriteGathering } from '../base/gather-writes.ts'
import { redisOptions } from '../base/redis-options.ts'
import type { Secret } from '../base/secret.ts'

export interface RedisConnectionOptions {
  /** `redis:` or `rediss:`, with user, password and database number where needed. */
  readonly url: Secret
  /** Longest wait for one answer. */
  readonly timeoutMs: number
}

/** A connection that comes back by itself. A command is answered by the connection of now or fails. */
export interface RedisConnection {
  readonly redis: Redis
  /** {@link redis} for a command that leaves together with all others of this turn of the event loop. */
  gathering(): Redis
  /** Resolves when the first attempt to connect has ended, well or badly, so that the first use does not race it. */
  readonly attempted: Promise<void>
}

/**
 * Connects to what replicas of the token service share.
 *
 * @throws TypeError for a URL that is not one of Redis; the message does not quote it
 */
export function openRedisConnection({ url, timeoutMs }: RedisConnectionOptions): RedisConnection {
  const redis = new Redis({
    ...redisOptions(url),
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    retryStrategy: attempt => Math.min(attempt * 100, 2_000),
  })
  // Without a listener an error event would end the process. Each call meets the trouble by itself.
  redis.on('error', () => {})
  const attempted = redis.status === 'ready' ? Promise.resolve() : untilSettled(redis, timeoutMs)
  const gatherWrites = createWriteGathering()
  const gathering = (): Redis => {
    // Before it is ready the library's own commands are written, and it is not told to wait with those.
    if (redis.status === 'ready') gatherWrites(redis.stream)
    return redis
  }
  return { redis, gathering, attempted }
}

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
