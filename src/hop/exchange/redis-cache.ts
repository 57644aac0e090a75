import { channels } from '../../base/channels.ts'
import type { EpochSeconds } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { MaybePromise, Result } from '../../base/result.ts'
import type { Secret } from '../../base/secret.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import type { IssuedTokenCache } from './cache.ts'
import type { CacheKey } from './cache-key.ts'
import { RedisConnection, type RedisFailure } from './redis-connection.ts'
import { maxSealedBytes, openToken, sealToken } from './seal.ts'

export interface RedisCacheOptions {
  readonly url: Secret
  /** Prefix of every key. */
  readonly prefix: string
  /** Longest wait for one answer. */
  readonly timeoutMs: number
  /** PEM certificates that are trusted instead of the system's, for `rediss:`. */
  readonly ca?: string
  readonly log: Log
}

/**
 * The shared tier: one Redis server, whose content nobody has to trust. Entries are sealed, under a name and a key that
 * need the subject token; what does not open is a miss, and `channels.cacheRejected` says so.
 */
export class RedisCache implements IssuedTokenCache {
  readonly #connection: RedisConnection
  readonly #prefix: string
  readonly #log: Log
  #refusedWrites: RedisFailure | undefined

  /** Connects in the background. Throws a TypeError for a URL that is not one of Redis. */
  constructor(options: RedisCacheOptions) {
    this.#prefix = options.prefix
    this.#log = options.log
    this.#connection = new RedisConnection({ ...options, probeKey: `${options.prefix}probe` })
  }

  /** Whether the server is being asked at all. */
  get isUp(): boolean {
    return this.#connection.isUp
  }

  get(key: CacheKey, now: EpochSeconds): MaybePromise<IssuedToken | undefined> {
    // GETRANGE and not GET: however large a value somebody put there, no more than this is read.
    return this.#connection
      .attempt(redis => redis.getrangeBuffer(this.#prefix + key.id, 0, maxSealedBytes))
      ?.then(answer => this.#open(key, now, answer))
  }

  set(key: CacheKey, token: IssuedToken, now: EpochSeconds): MaybePromise<void> {
    const lifeMs = Math.floor((token.expiresAt - now) * 1000)
    if (lifeMs < 1) return
    return this.#connection
      .attempt(redis => redis.set(this.#prefix + key.id, sealToken(key, token), 'PX', lifeMs))
      ?.then(answer => this.#noteWrite(answer))
  }

  delete(key: CacheKey): MaybePromise<void> {
    return this.#connection.attempt(redis => redis.del(this.#prefix + key.id))?.then(() => {})
  }

  /** Ends the connection. */
  close(): void {
    this.#connection.close()
  }

  #open(key: CacheKey, now: EpochSeconds, answer: Result<Buffer, RedisFailure>): IssuedToken | undefined {
    if (!answer.ok) {
      if (answer.error === 'WRONGTYPE') channels.cacheRejected.publish({ reason: 'wrong_type' })
      return undefined
    }
    if (answer.value.length === 0) return undefined
    const token = openToken(key, answer.value)
    if (token === undefined) {
      channels.cacheRejected.publish({ reason: 'unreadable' })
      this.#log.warn('a cache entry in Redis did not open', { entry: this.#prefix + key.id })
      return undefined
    }
    return now < token.expiresAt ? token : undefined
  }

  /** Reads may go on while writes are refused (`OOM`, `READONLY`, `MISCONF`): said once, when it begins and ends. */
  #noteWrite(answer: Result<unknown, RedisFailure>): void {
    const refused = answer.ok ? undefined : answer.error
    if (refused === this.#refusedWrites) return
    this.#refusedWrites = refused
    if (refused !== undefined) this.#log.warn('Redis did not take an entry', { reason: refused })
    else this.#log.info('Redis takes entries again')
  }
}
