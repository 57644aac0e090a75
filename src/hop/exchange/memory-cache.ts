import type { EpochSeconds } from '../../base/clock.ts'
import { LruMap } from '../../base/lru-map.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import type { IssuedTokenCache } from './cache.ts'
import type { CacheKey } from './cache-key.ts'

export interface MemoryCacheLimits {
  readonly maxEntries: number
  /** Estimated bytes of all entries together. An entry that is larger alone is not kept. */
  readonly maxBytes: number
}

/** What an entry costs besides its texts: objects, map slot, key. An estimate on the safe side. */
const overheadBytes = 768

/**
 * The first tier: this process's memory. Answers at once, never with a promise. Has no clock of its own: what has
 * ended by the caller's `now` is gone. The least recently used entry gives way.
 */
export class MemoryCache implements IssuedTokenCache {
  readonly #tokens: LruMap<IssuedToken>

  constructor({ maxEntries, maxBytes }: MemoryCacheLimits) {
    this.#tokens = new LruMap({ maxEntries, sizes: { maxBytes, sizeOf } })
  }

  /** Entries held, ended ones that nobody asked for included. */
  get size(): number {
    return this.#tokens.size
  }

  /** Estimated bytes held. */
  get bytes(): number {
    return this.#tokens.bytes
  }

  get(key: CacheKey, now: EpochSeconds): IssuedToken | undefined {
    const token = this.#tokens.get(key.id)
    if (token === undefined || now < token.expiresAt) return token
    this.#tokens.delete(key.id)
    return undefined
  }

  set(key: CacheKey, token: IssuedToken, now: EpochSeconds): void {
    if (now < token.expiresAt) this.#tokens.set(key.id, token)
  }

  delete(key: CacheKey): void {
    this.#tokens.delete(key.id)
  }
}

function sizeOf(token: IssuedToken): number {
  let characters = token.value.length + token.audience.length + token.fingerprint.length
  characters += token.issuedTokenType.length + (token.tokenId?.length ?? 0)
  for (const text of token.scope) characters += text.length
  for (const text of token.actors) characters += text.length
  return overheadBytes + 2 * characters
}
