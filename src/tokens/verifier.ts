import type { EpochSeconds } from '../base/clock.ts'
import type { MaybePromise, Result } from '../base/result.ts'
import type { Refusal } from '../model/refusal.ts'
import type { VerifiedToken } from '../model/verified-token.ts'

/**
 * Checks one presented token against its issuer's rules.
 *
 * Contract: answers a {@link VerifiedToken} only when every rule holds at `now`; answers at once (not a promise) when
 * the same token was verified before and nothing had to be fetched; never throws for any input; the refusal's detail
 * holds no part of the token.
 */
export interface Verifier {
  verify(presented: string, now: EpochSeconds): MaybePromise<Result<VerifiedToken, Refusal>>
}
