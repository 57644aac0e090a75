import type { AdmittedRequest } from '../model/admitted-request.ts'
import type { Decision } from '../model/decision.ts'
import type { ProtectedRoute, Route, RouteId } from '../model/route.ts'
import { subjectKind } from '../model/subject-kind.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { PolicyEngine } from './engine.ts'
import { compileExpression, type Expression } from './expression.ts'
import { policyFacts } from './facts.ts'

interface RouteRules {
  readonly clients: ReadonlySet<string> | undefined
  readonly allow: Expression | undefined
  readonly permit: Decision
}

/**
 * The policy that stands in the routes themselves: which clients, and one `allow` expression. Rules are named after
 * their route, as `<route>#clients` and `<route>#allow`.
 *
 * @throws TypeError for an expression that does not compile; the configuration refuses it before
 */
export function createRouteRules(routes: readonly Route[]): PolicyEngine {
  const rulesByRoute = new Map<RouteId, RouteRules>()
  for (const route of routes) if (route.kind === 'protected') rulesByRoute.set(route.id, compileRules(route))
  return {
    decide(request, token, actorToken) {
      const { id } = request.route
      const rules = rulesByRoute.get(id)
      if (rules === undefined) return { effect: 'deny', rule: id, reason: 'the route has no rules' }
      if (
        rules.clients !== undefined &&
        (token.clientId === undefined || !rules.clients.has(token.clientId))
      ) {
        return { effect: 'deny', rule: `${id}#clients`, reason: 'the client is not among those allowed' }
      }
      const unfit = checkMachine(request, token, actorToken)
      if (unfit !== undefined) return { effect: 'deny', rule: `${id}#mode`, reason: unfit }
      const { allow } = rules
      if (allow !== undefined && !allow.holds(policyFacts(token, request, allow))) {
        return { effect: 'deny', rule: `${id}#allow`, reason: 'the allow expression is not true' }
      }
      return rules.permit
    },
  }
}

/**
 * A route for machines is for callers that act for themselves; with dual identity it is for callers with somebody's context,
 * their own token's or that of the Transaction Token that came along.
 */
function checkMachine(
  { route, transactionToken }: AdmittedRequest<ProtectedRoute>,
  token: VerifiedToken,
  actorToken: VerifiedToken | undefined,
): string | undefined {
  if (route.mode !== 'machine') return undefined
  if (actorToken !== undefined) return 'nobody acts for another here'
  const isMachine = subjectKind(token) === 'machine'
  if (route.trustDomain === undefined) return isMachine ? undefined : 'the caller does not act for itself'
  if (isMachine)
    return transactionToken === undefined ? 'a machine came without a Transaction Token' : undefined
  return transactionToken === undefined ? undefined : 'a Transaction Token came with the token of a user'
}

function compileRules(route: ProtectedRoute): RouteRules {
  const allow = route.allow === undefined ? undefined : compileExpression(route.allow)
  if (allow?.ok === false) throw new TypeError(`route ${route.id}: allow ${allow.error}`)
  return {
    clients: route.clients === undefined ? undefined : new Set(route.clients),
    allow: allow?.value,
    permit: Object.freeze({
      effect: 'permit',
      rule: route.allow === undefined ? route.id : `${route.id}#allow`,
      ...(route.mode === 'machine' && { mode: route.mode }),
    }),
  }
}
