import type { MaybePromise } from '../base/result.ts'
import type { AdmittedRequest } from '../model/admitted-request.ts'
import type { QuestionFacts } from '../model/audit-event.ts'
import type { Decision } from '../model/decision.ts'
import type { ProtectedRoute } from '../model/route.ts'
import type { VerifiedToken } from '../model/verified-token.ts'

/**
 * Decides whether this caller may act for this subject here.
 *
 * Contract: what no rule permits is denied; an error while deciding is a denial; a permit can only narrow. The same answer
 * is the same object where that is possible: what follows from it is remembered with it.
 */
export interface PolicyEngine {
  /** @param actorToken the verified token of the person who acts, where one came along */
  decide(
    request: AdmittedRequest<ProtectedRoute>,
    token: VerifiedToken,
    actorToken?: VerifiedToken,
  ): MaybePromise<Decision>
  /** What the record keeps of the question, by engines that ask a policy document. */
  describe?(
    request: AdmittedRequest<ProtectedRoute>,
    token: VerifiedToken,
    actorToken?: VerifiedToken,
  ): QuestionFacts | undefined
}
