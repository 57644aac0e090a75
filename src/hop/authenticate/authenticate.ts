import type { Clock } from '../../base/clock.ts'
import type { MaybePromise, Result } from '../../base/result.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Refusal } from '../../model/refusal.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import { readBearerToken } from './read-credentials.ts'

export type Authenticate = (
  request: AdmittedRequest<ProtectedRoute>,
) => MaybePromise<Result<VerifiedToken, Refusal>>

/** The second stage: who is calling, by the one token that the request presents. */
export function createAuthenticate(verifier: Verifier, clock: Clock): Authenticate {
  return request => {
    const presented = readBearerToken(request.authorization)
    if (!presented.ok) return presented
    return verifier.verify(presented.value, clock.now())
  }
}
