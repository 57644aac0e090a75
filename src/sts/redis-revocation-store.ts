import type { Clock } from '../base/clock.ts'
import { openRedisConnection, type RedisConnectionOptions } from './redis-connection.ts'
import { type RevocationStore, RevocationStoreError } from './revocation-store.ts'

export interface RedisRevocationStoreOptions extends RedisConnectionOptions {
  /** Prefix of every key. */
  readonly prefix: string
}

/**
 * A revocation store that replicas share. Redis being down, slow or full is the same: the store cannot know, and rejects.
 *
 * Redis must not evict (`maxmemory-policy noeviction`): a mark that it drops is a token that lives again. It replicates
 * asynchronously: a mark that was written just before a failover can be forgotten with its primary.
 *
 * @throws TypeError for a URL that is not one of Redis; the message does not quote it
 */
export function createRedisRevocationStore(
  options: RedisRevocationStoreOptions,
  clock: Clock,
): RevocationStore {
  const { redis, gathering, attempted } = openRedisConnection(options)
  const nameOf = (mark: string): string => `${options.prefix}revoked:${mark}`
  /** Nothing of ioredis' error: it carries the command with its arguments. */
  const orReject = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer
    } catch {
      throw new RevocationStoreError('the store of revoked tokens does not answer')
    }
  }
  return {
    async revoke(mark, expiresAt) {
      await attempted
      const lifeMs = Math.ceil((expiresAt - clock.now()) * 1000)
      if (lifeMs > 0) await orReject(gathering().set(nameOf(mark), '1', 'PX', lifeMs))
    },
    async isRevoked(marks) {
      await attempted
      return marks.length > 0 && (await orReject(gathering().exists(...marks.map(nameOf)))) > 0
    },
    close: async () => redis.disconnect(),
  }
}
