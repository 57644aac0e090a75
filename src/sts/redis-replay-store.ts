import type { Clock } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import { openRedisConnection, type RedisConnectionOptions } from './redis-connection.ts'
import { type ReplayStore, ReplayStoreError } from './replay-store.ts'

export interface RedisReplayStoreOptions extends RedisConnectionOptions {
  /** Prefix of every key. */
  readonly prefix: string
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
  const { redis, gathering, attempted } = openRedisConnection(options)
  return {
    async use(key, expiresAt) {
      await attempted
      const lifeMs = Math.ceil((expiresAt - clock.now()) * 1000)
      if (lifeMs <= 0) return false
      const name = `${options.prefix}replay:${sha256Base64Url(key)}`
      try {
        return (await gathering().set(name, '1', 'PX', lifeMs, 'NX')) === 'OK'
      } catch {
        // Nothing of ioredis' error: it carries the command with its arguments.
        throw new ReplayStoreError('the store of used ids does not answer')
      }
    },
    close: async () => redis.disconnect(),
  }
}
