import type { Clock } from '../../base/clock.ts'
import { fail, type MaybePromise, type Result } from '../../base/result.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectedRoute, TokenVerification } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { Verifier } from '../../tokens/verifier.ts'

/** Verifies the token that a request brings for the person who acts. */
export type AuthenticateActor = (
  presented: string,
  route: ProtectedRoute,
) => MaybePromise<Result<VerifiedToken, Refusal>>

/** b64token of RFC 6750 §2.1. */
const tokenText = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * A part of the second stage: who acts for the subject, by a token of their own in the field that the configuration
 * declares. It must pass everything that a caller's own token must, in the route's way.
 */
export function createAuthenticateActor(
  verifiers: Readonly<Record<TokenVerification, Verifier>>,
  clock: Clock,
): AuthenticateActor {
  return (presented, route) => {
    if (!tokenText.test(presented)) {
      return fail(refusal('token.malformed', 'the actor token is not one token'))
    }
    const now = clock.now()
    const verifier = verifiers[route.verify]
    const verified = verifier.recall(presented, now) ?? verifier.verify(presented, now)
    return verified instanceof Promise ? verified.then(saysActor) : saysActor(verified)
  }
}

/** So that whoever reads the record looks at the right one of two tokens. */
function saysActor(verified: Result<VerifiedToken, Refusal>): Result<VerifiedToken, Refusal> {
  return verified.ok ? verified : fail({ ...verified.error, detail: `actor token: ${verified.error.detail}` })
}
