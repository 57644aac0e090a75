import type { EpochSeconds } from '../../base/clock.ts'
import type { MaybePromise } from '../../base/result.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import type { CacheKey } from './cache-key.ts'

/**
 * A tier that keeps issued tokens.
 *
 * Contract, run on every implementation by `test/contract/cache.ts`: what is set is got back until its `expiresAt`;
 * nothing is ever got at or after `expiresAt`; a key never answers another key's token, even when a stored entry was
 * moved, cut or changed; a tier that fails is a miss, never an error and never a wait beyond its time limit.
 */
export interface IssuedTokenCache {
  get(key: CacheKey, now: EpochSeconds): MaybePromise<IssuedToken | undefined>
  set(key: CacheKey, token: IssuedToken, now: EpochSeconds): MaybePromise<void>
  delete(key: CacheKey): MaybePromise<void>
}
