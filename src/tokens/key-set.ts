import type { Clock } from '../base/clock.ts'
import type { MaybePromise, Result } from '../base/result.ts'
import type { KeyUse } from './key-hygiene.ts'
import type { KeyMiss } from './key-index.ts'
import type { UsableKey } from './verify-signature.ts'

/**
 * The keys of one issuer, wherever they come from.
 *
 * Contract: `find` answers at once (not a promise) when the key is in memory or nothing may be fetched now; it never
 * rejects. `holds` never waits. `warm` loads ahead of the first look-up and never rejects. After `close` nothing is
 * fetched any more.
 */
export interface KeySet {
  /** Finds the one key that may verify a signature of this algorithm and `kid`. */
  find(algorithm: string, keyId: string | undefined): MaybePromise<Result<UsableKey, KeyFailure>>
  /** Whether a key that was found earlier is still one of the issuer's. */
  holds(key: UsableKey): boolean
  /** Whether there are keys to look in: some were loaded, and they are not too old. */
  isAvailable(): boolean
  warm(): Promise<void>
  close(): void
}

/** `unavailable`: there are no keys to look in, none ever loaded or all too old. */
export type KeyFailure = KeyMiss | 'unavailable'

/** Times and bounds of a key set. */
export interface KeySetOptions {
  readonly clock: Clock
  /** Between two fetches that unknown `kid`s ask for; also between attempts while a fetch fails. */
  readonly coolDownMs: number
  /** A set of this age is fetched again in the background. */
  readonly refreshMs: number
  /** How long the last good set serves when none newer can be had. */
  readonly maxStaleMs: number
  /** One fetch with all it needs, metadata included. */
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly maxKeys: number
  /** What the keys must be for. Default `sig`. */
  readonly use?: KeyUse
}
