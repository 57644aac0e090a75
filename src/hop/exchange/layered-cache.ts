import type { EpochSeconds } from '../../base/clock.ts'
import type { MaybePromise } from '../../base/result.ts'
import { SingleFlight } from '../../base/single-flight.ts'
import type { IssuedToken, TokenSource } from '../../model/issued-token.ts'
import type { IssuedTokenCache } from './cache.ts'
import type { CacheKey } from './cache-key.ts'
import type { MemoryCache } from './memory-cache.ts'

/** A token and the tier that had it. */
export interface CachedToken {
  readonly token: IssuedToken
  readonly source: Extract<TokenSource, 'memory' | 'redis'>
}

/**
 * Memory in front of a shared tier, or memory alone. Memory answers at once; what only the shared tier has is copied
 * into memory on the way; what may not be shared stays in memory. No caller waits for the shared tier to be written. A delete wins over a read that is under
 * way: what such a read brings back is neither kept nor answered.
 */
export class LayeredCache implements IssuedTokenCache {
  readonly #memory: MemoryCache
  readonly #shared: IssuedTokenCache | undefined
  readonly #reads = new SingleFlight<IssuedToken | undefined>()

  constructor(memory: MemoryCache, shared?: IssuedTokenCache) {
    this.#memory = memory
    this.#shared = shared
  }

  /** What memory has. Never waits. */
  peek(key: CacheKey, now: EpochSeconds): IssuedToken | undefined {
    return this.#memory.get(key, now)
  }

  /** Asks memory, then the shared tier, and says which one had the token. */
  find(key: CacheKey, now: EpochSeconds): MaybePromise<CachedToken | undefined> {
    const token = this.#memory.get(key, now)
    if (token !== undefined) return { token, source: 'memory' }
    return this.#shared === undefined || key.isLocal ? undefined : this.#readShared(this.#shared, key, now)
  }

  get(key: CacheKey, now: EpochSeconds): MaybePromise<IssuedToken | undefined> {
    const found = this.find(key, now)
    return found instanceof Promise ? found.then(cached => cached?.token) : found?.token
  }

  set(key: CacheKey, token: IssuedToken, now: EpochSeconds): void {
    this.#memory.set(key, token, now)
    // A tier never fails by contract, so there is nothing to hear from this promise.
    if (!key.isLocal) void this.#shared?.set(key, token, now)
  }

  delete(key: CacheKey): MaybePromise<void> {
    this.#reads.forget(key.id)
    this.#memory.delete(key)
    return key.isLocal ? undefined : this.#shared?.delete(key)
  }

  async #readShared(
    shared: IssuedTokenCache,
    key: CacheKey,
    now: EpochSeconds,
  ): Promise<CachedToken | undefined> {
    const { result } = this.#reads.do(key.id, async read => {
      const token = await shared.get(key, now)
      if (token === undefined || !read.isCurrent()) return undefined
      this.#memory.set(key, token, now)
      return token
    })
    const token = await result
    return token === undefined ? undefined : { token, source: 'redis' }
  }
}
