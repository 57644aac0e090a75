import type { Clock } from '../../base/clock.ts'
import { fail, type MaybePromise, ok, type Result } from '../../base/result.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Decision } from '../../model/decision.ts'
import { type ExchangeRequest, permit } from '../../model/exchange-request.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { isScopeWithin } from '../../oauth/scope-set.ts'
import { type StepUp, satisfiesStepUp } from '../../oauth/step-up.ts'
import type { PolicyEngine } from '../../policy/engine.ts'

/** What authorize found: the decision, for the record, and what it permits to ask for. */
export interface Authorized {
  readonly decision: Decision
  readonly request: Result<ExchangeRequest, Refusal>
}

/** What was found for a token on one route, and then on others; most tokens are used on few. */
interface Remembered extends Authorized {
  readonly route: ProtectedRoute
  readonly next: Remembered | undefined
}

export type Authorize = (
  request: AdmittedRequest<ProtectedRoute>,
  token: VerifiedToken,
) => MaybePromise<Authorized>

/**
 * The third stage: asks the policy, and turns a permit into the one request that the exchange may make. The request
 * for a token on a route is made once and remembered with the token, as long as the decision is the same.
 * How the user authenticated is looked at for every request that is permitted otherwise, because it gets older.
 */
export function createAuthorize(engine: PolicyEngine, clock: Clock): Authorize {
  const remembered = new WeakMap<VerifiedToken, Remembered>()

  const conclude = (route: ProtectedRoute, token: VerifiedToken, decision: Decision): Authorized => {
    const authorized = readDecision(route, token, decision)
    const { require } = route
    if (require === undefined || !authorized.request.ok || satisfiesStepUp(require, token, clock.now())) {
      return authorized
    }
    return demand(route, require)
  }

  const readDecision = (route: ProtectedRoute, token: VerifiedToken, decision: Decision): Authorized => {
    const first = remembered.get(token)
    for (let known = first; known !== undefined; known = known.next) {
      if (known.route === route && known.decision === decision) return known
    }
    const request = readPermit(route, token, decision)
    // A decision that is made anew each time, as denials are, takes the place of the one before.
    const next = first?.route === route ? first.next : first
    const authorized: Remembered = { route, decision, request, next }
    remembered.set(token, authorized)
    return authorized
  }

  return (request, token) => {
    const decision = engine.decide(request, token)
    if (decision instanceof Promise) return decision.then(decided => conclude(request.route, token, decided))
    return conclude(request.route, token, decision)
  }
}

function readPermit(
  route: ProtectedRoute,
  token: VerifiedToken,
  decision: Decision,
): Result<ExchangeRequest, Refusal> {
  if (decision.effect === 'deny') return fail(denial(decision))
  const exchange = permit(route, token, decision)
  if (exchange !== undefined) return ok(exchange)
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
