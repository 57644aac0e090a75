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
  /**
   * Answers for a token that was verified before, without looking at its text again: undefined for any other, and a
   * refusal once it has ended. The hot path of a hop.
   */
  recall(presented: string, now: EpochSeconds): Result<VerifiedToken, Refusal> | undefined
  verify(presented: string, now: EpochSeconds): MaybePromise<Result<VerifiedToken, Refusal>>
}
