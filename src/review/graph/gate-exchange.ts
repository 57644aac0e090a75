import type { ProtectedRoute } from '../../model/route.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { emptyScope, intersectScope, isScopeWithin, type ScopeSet, scopeSet } from '../../oauth/scope-set.ts'
import { depthAfter, OutcomeCollector, type Outcomes, refused, unlimited } from './outcome.ts'
import type { AskRules } from './policies.ts'
import {
  accept,
  describeToken,
  exchangeAtServer,
  lacking,
  type MachineRequest,
  machineAtServer,
  nextActor,
  occasions,
  type ServerRequest,
} from './server-exchange.ts'
import type { Gate, TokenServer } from './system.ts'
import type { TokenClass } from './token-class.ts'

/**
 * What a route makes of a class of tokens: everything that the stages of a hop decide, and the token service after them.
 *
 * @param server the token service that the gate asks, when its configuration is here
 */
export function exchangeAtGate(
  gate: Gate,
  route: ProtectedRoute,
  token: TokenClass,
  { server, askRules }: { readonly server: TokenServer | undefined; readonly askRules: AskRules },
): Outcomes {
  const accepted = accept(gate.accepts, token)
  if (accepted === undefined) return refused(`${gate.service} takes no ${describeToken(token)}`)
  const { clients } = route
  if (clients !== undefined && token.client !== undefined && !clients.includes(token.client)) {
    return refused(`the route is not for tokens of ${token.client}`)
  }
  if (token.most !== undefined && !isScopeWithin(route.scope, token.most)) {
    return refused(
      `a ${describeToken(token)} that comes here cannot hold ${lacking(route.scope, token.most)}`,
    )
  }
  const found = new OutcomeCollector()
  const narrowed = (scope: ScopeSet | undefined): { readonly least: ScopeSet; readonly most: ScopeSet } => {
    const optional = scope === undefined ? route.optionalScope : intersectScope(route.optionalScope, scope)
    return {
      least: union(route.scope, intersectScope(optional, token.least)),
      most: union(route.scope, token.most === undefined ? optional : intersectScope(optional, token.most)),
    }
  }
  if (route.mode === 'machine') {
    // The gate asks for itself, whoever calls; the caller's token only narrows.
    if (route.trustDomain === undefined && !token.kinds.includes('machine')) {
      return refused('the route is for callers that act for themselves')
    }
    const { client, environment } = gate
    const { audience, mode, resource, scope: least } = route
    const question = { mode, client, audience, least, most: least, subject: undefined, environment }
    const deciding = askRules(gate, question)
    if (deciding.rules.length === 0) return refused(`at ${gate.service}, ${deciding.reason}`)
    for (const { id, scope } of deciding.rules) {
      const request = {
        client,
        audience,
        resource,
        ...narrowed(scope),
        rules: id === undefined ? [] : [id],
        deepestIn: accepted.maxActorDepth,
      }
      found.add(
        server === undefined ? machineOutside(gate, request) : machineAtServer(server, request, askRules),
      )
    }
    return found.outcomes
  }
  for (const { acting, kind } of occasions(token, gate.takesPerson)) {
    // The route's scope must be granted whole; what is optional is narrowed afterwards.
    const question = {
      mode: route.mode,
      client: gate.client,
      audience: route.audience,
      least: route.scope,
      most: route.scope,
      subject: { token, kind, acting },
      environment: gate.environment,
    }
    const deciding = askRules(gate, question)
    if (deciding.rules.length === 0) found.add(refused(`at ${gate.service}, ${deciding.reason}`))
    for (const { id, scope } of deciding.rules) {
      const request: ServerRequest = {
        question: { ...question, ...narrowed(scope) },
        grant: grantType.tokenExchange,
        resource: route.resource,
        rules: id === undefined ? [] : [id],
        deepestIn: accepted.maxActorDepth,
      }
      found.add(
        server === undefined ? exchangeOutside(gate, request) : exchangeAtServer(server, request, askRules),
      )
    }
  }
  return found.outcomes
}

/** A token service whose configuration is not here may grant whatever it is asked for; the gate checks that it is no more. */
function exchangeOutside(gate: Gate, { question, rules, deepestIn }: ServerRequest): Outcomes {
  const { audience, most, subject } = question
  const { token, kind } = subject
  const actor = gate.namesActor ? nextActor(question) : 'anybody'
  const outcome = {
    token: {
      issuer: gate.server,
      audience,
      client: undefined,
      actor,
      least: emptyScope,
      most,
      kinds: [kind],
      origin: token.issuer === gate.server ? token.origin : token.issuer,
    },
    rules,
    depthAfter: depthAfter(token.actor, actor),
    deepestIn,
    deepestOut: unlimited,
    mostVisits: unlimited,
  }
  return { outcomes: [outcome], reasons: [] }
}

function machineOutside(gate: Gate, { audience, most, rules, deepestIn }: MachineRequest): Outcomes {
  const outcome = {
    token: {
      issuer: gate.server,
      audience,
      client: undefined,
      actor: 'nobody' as const,
      least: emptyScope,
      most,
      kinds: ['machine' as const],
      origin: gate.server,
    },
    rules,
    depthAfter: () => 0,
    deepestIn,
    deepestOut: unlimited,
    mostVisits: unlimited,
  }
  return { outcomes: [outcome], reasons: [] }
}

function union(a: ScopeSet, b: ScopeSet): ScopeSet {
  return scopeSet([...a, ...b])
}
