import type { EpochSeconds } from '../base/clock.ts'
import { LruMap } from '../base/lru-map.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { KeySet } from './key-set.ts'
import type { UsableKey } from './verify-signature.ts'

/** An issuer whose tokens are accepted. */
export interface TrustedIssuer {
  readonly rules: IssuerRules
  readonly keys: KeySet
}

/** A token that passed every check, with what must be asked again when it comes again. */
export interface RememberedToken {
  readonly token: VerifiedToken
  readonly notBefore: EpochSeconds | undefined
  /** The key that verified it must still be the issuer's. */
  readonly key: UsableKey
  readonly issuer: TrustedIssuer
}

/** Bounds of the memory. Both hold. */
export interface MemoryBounds {
  readonly maxEntries: number
  readonly maxBytes: number
}

export const defaultMemoryBounds: MemoryBounds = { maxEntries: 20_000, maxBytes: 64 * 1024 * 1024 }

/** The text as key, what is kept of its claims, and the objects around them, roughly. */
const bytesPerCharacter = 2
const bytesPerEntry = 1024

/**
 * Remembers verified tokens by exactly the text that was presented, so that another spelling is another token to
 * verify. It answers whatever it holds; whether that is still good is for the reader to check.
 */
export function createTokenMemory(bounds: MemoryBounds): LruMap<RememberedToken> {
  const { maxEntries, maxBytes } = bounds
  return new LruMap({
    maxEntries,
    sizes: { maxBytes, sizeOf: (_, presented) => bytesPerEntry + bytesPerCharacter * presented.length },
  })
}
