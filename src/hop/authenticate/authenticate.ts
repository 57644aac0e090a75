import type { Clock } from '../../base/clock.ts'
import type { MaybePromise, Result } from '../../base/result.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Refusal } from '../../model/refusal.ts'
import type { ProtectedRoute, TokenVerification } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import { readBearerToken } from './read-credentials.ts'

export type Authenticate = (
  request: AdmittedRequest<ProtectedRoute>,
) => MaybePromise<Result<VerifiedToken, Refusal>>

const usualScheme = 'Bearer '

/** The second stage: who is calling, by the one token that the request presents, verified in the route's way. */
export function createAuthenticate(
  verifiers: Readonly<Record<TokenVerification, Verifier>>,
  clock: Clock,
): Authenticate {
  return ({ authorization, route }) => {
    const verifier = verifiers[route.verify]
    const now = clock.now()
    // A token that was verified before was well formed then; reading its syntax again would cost more than all the rest.
    const known =
      authorization?.startsWith(usualScheme) && verifier.recall(authorization.slice(usualScheme.length), now)
    if (known) return known
    const presented = readBearerToken(authorization)
    if (!presented.ok) return presented
    return verifier.verify(presented.value, now)
  }
}
