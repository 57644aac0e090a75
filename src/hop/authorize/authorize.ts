import type { Clock } from '../../base/clock.ts'
import { fail, type MaybePromise, ok, type Result } from '../../base/result.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { QuestionFacts } from '../../model/audit-event.ts'
import type { Decision } from '../../model/decision.ts'
import { type Occasion, permit, permitMachine, type TokenRequest } from '../../model/exchange-request.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { isScopeWithin } from '../../oauth/scope-set.ts'
import { type StepUp, satisfiesStepUp } from '../../oauth/step-up.ts'
import type { PolicyEngine } from '../../policy/engine.ts'

/** What authorize found: the decision, for the record, and what it permits to ask for. */
export interface Authorized {
  readonly decision: Decision
  readonly request: Result<TokenRequest, Refusal>
  /** What a policy document was asked, for the record. */
  readonly question?: QuestionFacts | undefined
}

/** What was found for a token on one route, and then on others; most tokens are used on few. */
interface Remembered extends Authorized {
  readonly route: ProtectedRoute
  readonly actorToken: VerifiedToken | undefined
  readonly caseId: string | undefined
  readonly hasTransaction: boolean
  readonly next: Remembered | undefined
}

export type Authorize = (
  request: AdmittedRequest<ProtectedRoute>,
  token: VerifiedToken,
  actorToken?: VerifiedToken,
) => MaybePromise<Authorized>

/**
 * The third stage: asks the policy, and turns a permit into the one request that the exchange may make. The request
 * for a token on a route is made once and remembered with the token, as long as the decision is the same.
 * How the user, or the person who acts, authenticated is looked at for every request that is permitted otherwise, because it gets older.
 */
export function createAuthorize(
  engine: PolicyEngine,
  clock: Clock,
  describe: PolicyEngine['describe'] = engine.describe,
): Authorize {
  const remembered = new WeakMap<VerifiedToken, Remembered>()

  const conclude = (
    request: AdmittedRequest<ProtectedRoute>,
    token: VerifiedToken,
    actorToken: VerifiedToken | undefined,
    decision: Decision,
  ): Authorized => {
    const authorized = readDecision(request, token, actorToken, decision)
    const { require } = request.route
    if (
      require === undefined ||
      !authorized.request.ok ||
      satisfiesStepUp(require, actorToken ?? token, clock.now())
    ) {
      return authorized
    }
    return demand(request.route, require)
  }

  const readDecision = (
    asked: AdmittedRequest<ProtectedRoute>,
    token: VerifiedToken,
    actorToken: VerifiedToken | undefined,
    decision: Decision,
  ): Authorized => {
    const { route, caseId } = asked
    const hasTransaction = asked.transactionToken !== undefined
    const first = remembered.get(token)
    for (let known = first; known !== undefined; known = known.next) {
      if (
        known.route === route &&
        known.decision === decision &&
        known.actorToken === actorToken &&
        known.caseId === caseId &&
        known.hasTransaction === hasTransaction
      ) {
        return known
      }
    }
    const occasion: Occasion = { actorToken, caseId, hasTransaction }
    const request = readPermit(route, token, occasion, decision)
    const question = describe?.(asked, token, actorToken)
    // One for each route: callers choose case ids, and denials are made anew each time.
    const next = withoutRoute(first, route)
    const authorized: Remembered = {
      route,
      actorToken,
      caseId,
      hasTransaction,
      decision,
      request,
      question,
      next,
    }
    remembered.set(token, authorized)
    return authorized
  }

  return (request, token, actorToken) => {
    const decision = engine.decide(request, token, actorToken)
    if (decision instanceof Promise) {
      return decision.then(decided => conclude(request, token, actorToken, decided))
    }
    return conclude(request, token, actorToken, decision)
  }
}

function withoutRoute(first: Remembered | undefined, route: ProtectedRoute): Remembered | undefined {
  if (first === undefined) return undefined
  if (first.route === route) return first.next
  const next = withoutRoute(first.next, route)
  return next === first.next ? first : { ...first, next }
}

function readPermit(
  route: ProtectedRoute,
  token: VerifiedToken,
  occasion: Occasion,
  decision: Decision,
): Result<TokenRequest, Refusal> {
  if (decision.effect === 'deny') return fail(denial(decision))
  const exchange =
    route.mode === 'machine'
      ? permitMachine(route, token, decision, occasion)
      : permit(route, token, decision, occasion)
  if (exchange !== undefined) return ok(exchange)
  if (occasion.actorToken !== undefined && decision.mode === undefined) {
    return fail(refusal('policy.denied', 'no rule lets a person act for another here'))
  }
  if ((decision.mode ?? 'delegation') !== route.mode) {
    return fail(refusal('policy.denied', `no rule permits ${route.mode} here`))
  }
  const detail = isScopeWithin(route.scope, token.scope)
    ? 'the policy narrows away a scope that the route requires'
    : 'the presented token lacks a scope that the route requires'
  return fail({ ...refusal('policy.scope_missing', detail), scope: route.scope })
}

/** Not remembered with the token: what it lacks now is another matter a second later. */
function demand({ id }: ProtectedRoute, stepUp: StepUp): Authorized {
  const reason = 'the user has not authenticated as the route requires'
  const decision = { effect: 'deny', rule: `${id}#require`, reason, stepUp } as const
  return { decision, request: fail(denial(decision)) }
}

function denial({ reason, stepUp, unavailable }: Extract<Decision, { readonly effect: 'deny' }>): Refusal {
  if (unavailable === true) return refusal('policy.unavailable', reason)
  return stepUp === undefined
    ? refusal('policy.denied', reason)
    : { ...refusal('token.step_up', reason), stepUp }
}
