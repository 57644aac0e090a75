import type { Clock } from '../base/clock.ts'
import type { MaybePromise } from '../base/result.ts'
import type { AdmittedRequest } from '../model/admitted-request.ts'
import type { Decision } from '../model/decision.ts'
import type { ProtectedRoute } from '../model/route.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { joinPermits } from './all-of.ts'
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
      const decision = decideWithApproval(policy, hopQuestion(options, request, token, actorToken), approvals)
      const { route, transactionToken } = request
      if (route.trustDomain === undefined || transactionToken !== undefined) return decision
      const question = transactionQuestion(options, request, token, route.trustDomain)
      return joinBoth(decision, decideWithApproval(policy, question, approvals))
    },
    describe: (request, token, actorToken) =>
      policy.describe(hopQuestion(options, request, token, actorToken)),
  }
}

/** With dual identity the caller's token is exchanged as well, for a Transaction Token. */
export function transactionQuestion(
  options: Pick<DocumentEngineOptions, 'client' | 'environment' | 'clock'>,
  request: Pick<AdmittedRequest<ProtectedRoute>, 'route' | 'caseId'>,
  subject: VerifiedToken,
  audience: string,
): PolicyQuestion {
  return { ...hopQuestion(options, request, subject, undefined), mode: 'delegation', audience, subject }
}

const joined = new WeakMap<Decision, WeakMap<Decision, Decision>>()

/** A denial of either is one of both. The permit is that of the machine, as narrow as both; the same for the same two. */
function joinBoth(machine: MaybePromise<Decision>, context: MaybePromise<Decision>): MaybePromise<Decision> {
  if (machine instanceof Promise || context instanceof Promise) {
    return Promise.all([machine, context]).then(([own, other]) => joinBoth(own, other))
  }
  if (machine.effect === 'deny') return machine
  if (context.effect === 'deny') return context
  const partners = joined.get(machine) ?? new WeakMap<Decision, Decision>()
  joined.set(machine, partners)
  const known = partners.get(context)
  if (known !== undefined) return known
  const both = { ...joinPermits(context, machine), mode: 'machine' } as const
  partners.set(context, both)
  return both
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
    // A machine asks for itself, whoever calls.
    subject: route.mode === 'machine' ? undefined : token,
    actorToken,
    context: { now: clock.now(), caseId, environment, approval: undefined },
  }
}
