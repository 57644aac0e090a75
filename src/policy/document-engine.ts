import type { Clock } from '../base/clock.ts'
import type { MaybePromise } from '../base/result.ts'
import type { AdmittedRequest } from '../model/admitted-request.ts'
import type { Decision } from '../model/decision.ts'
import type { ProtectedRoute } from '../model/route.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { type ApprovalStore, decideWithApproval } from './approval.ts'
import type { PolicyEngine } from './engine.ts'
import type { Policy } from './policy.ts'
import type { PolicyQuestion } from './question.ts'

export interface DocumentEngineOptions {
  readonly policy: Policy
  /** Our client id at the token service, which is asked the same question again. */
  readonly client: string
  readonly environment: string | undefined
  /** Undefined: nothing is approved. */
  readonly approvals?: ApprovalStore | undefined
  readonly clock: Clock
}

/** A policy document as the engine of a hop. */
export function createDocumentEngine(options: DocumentEngineOptions): PolicyEngine {
  const { policy, approvals } = options
  return {
    decide(request, token, actorToken): MaybePromise<Decision> {
      return decideWithApproval(policy, hopQuestion(options, request, token, actorToken), approvals)
    },
  }
}

/** What a hop asks the policy. The route's scope must be granted whole; what is optional is narrowed afterwards. */
export function hopQuestion(
  { client, environment, clock }: Pick<DocumentEngineOptions, 'client' | 'environment' | 'clock'>,
  { route, caseId }: Pick<AdmittedRequest<ProtectedRoute>, 'route' | 'caseId'>,
  token: VerifiedToken,
  actorToken: VerifiedToken | undefined,
): PolicyQuestion {
  return {
    mode: route.mode,
    client,
    audience: route.audience,
    scope: route.scope,
    subject: token,
    actorToken,
    context: { now: clock.now(), caseId, environment, approval: undefined },
  }
}
