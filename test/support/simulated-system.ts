import { type MachineRequest, permit, permitMachine } from '../../src/model/exchange-request.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { actorDepth, parseActor } from '../../src/oauth/actor.ts'
import type { ExchangeMode } from '../../src/oauth/exchange-mode.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import {
  formatScope,
  intersectScope,
  isScopeWithin,
  type ScopeSet,
  scopeSet,
} from '../../src/oauth/scope-set.ts'
import { createAllOf } from '../../src/policy/all-of.ts'
import { createDocumentEngine } from '../../src/policy/document-engine.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { createPolicy, type Policy } from '../../src/policy/policy.ts'
import { createRouteRules } from '../../src/policy/route-rules.ts'
import type { Via } from '../../src/review/graph/exchanges.ts'
import type { Acceptance, Gate, System, TokenServer } from '../../src/review/graph/system.ts'
import { permitIssuance } from '../../src/sts/grants/permit-issuance.ts'
import { createFakeClock } from './fake-clock.ts'
import { anAdmittedRequest, aVerifiedToken } from './nouns.ts'
import { noon } from './policy.ts'

/** Somebody who acts for others, with a token that everybody takes. */
export const person: VerifiedToken = aVerifiedToken({
  issuer: 'https://login.test',
  subject: 'agent',
  audience: ['web'],
  claims: { sub: 'agent', iss: 'https://login.test' },
})

/** What happened to one token: by which ways, to what. */
export interface SimulatedChain {
  readonly ways: readonly Via[]
  readonly token: VerifiedToken
}

/**
 * Does with one token everything that the system would, hop after hop: the policies, the narrowing and the token service's own
 * decisions are those that run in production; only the network and the signatures are left out.
 */
export async function simulate(
  system: System,
  ways: readonly Via[],
  token: VerifiedToken,
  longest: number,
): Promise<readonly SimulatedChain[]> {
  const policies = new Map<object, Policy>()
  const policyOf = (party: Gate | TokenServer): Policy | undefined => {
    if (party.policy === undefined) return undefined
    const policy =
      policies.get(party) ?? createPolicy(party.policy, 'server' in party ? party.server : party.issuer)
    policies.set(party, policy)
    return policy
  }
  const chains: SimulatedChain[] = []
  let latest: readonly SimulatedChain[] = [{ ways: [], token }]
  const seen = new Set<string>()
  for (let hop = 0; hop < longest; hop++) {
    const next: SimulatedChain[] = []
    for (const chain of latest) {
      for (const via of ways) {
        for (const issued of await exchange(system, policyOf, via, chain.token)) {
          const made = { ways: [...chain.ways, via], token: issued }
          const key = `${made.ways.map(way => ways.indexOf(way)).join(' ')} ${describe(issued)}`
          if (seen.has(key)) continue
          seen.add(key)
          next.push(made)
        }
      }
    }
    chains.push(...next)
    latest = next
  }
  return chains
}

/** Everything of a token that a decision can depend on here. */
export function describe({ issuer, audience, clientId, scope, claims }: VerifiedToken): string {
  return JSON.stringify([issuer, audience, clientId, formatScope(scope), claims])
}

async function exchange(
  system: System,
  policyOf: (party: Gate | TokenServer) => Policy | undefined,
  via: Via,
  token: VerifiedToken,
): Promise<readonly VerifiedToken[]> {
  if (via.kind === 'route') {
    const { gate, route } = via
    if (!isAccepted(gate.accepts, token)) return []
    const policy = policyOf(gate)
    const engine: PolicyEngine = createAllOf([
      createRouteRules([route]),
      ...(policy === undefined
        ? []
        : [
            createDocumentEngine({
              policy,
              client: gate.client,
              environment: gate.environment,
              clock: createFakeClock(noon),
            }),
          ]),
    ])
    const server = system.servers.find(({ issuer }) => issuer === gate.server)
    const issued: VerifiedToken[] = []
    if (route.mode === 'machine') {
      const decision = await engine.decide(anAdmittedRequest({ route }), token)
      const request = permitMachine(route, token, decision, { caseId: undefined, hasTransaction: false })
      if (request === undefined || server === undefined) return []
      return issueMachine(server, policyOf(server), gate.client, request)
    }
    for (const actorToken of gate.takesPerson ? [undefined, person] : [undefined]) {
      const decision = await engine.decide(anAdmittedRequest({ route }), token, actorToken)
      const request = permit(route, token, decision, { actorToken, caseId: undefined })
      if (request === undefined || server === undefined) continue
      const { audience, scope } = request
      const asked = { client: gate.client, audience, scope, mode: route.mode, actorToken }
      issued.push(...(await issue(server, policyOf(server), token, asked)))
    }
    return issued
  }
  const { server, client } = via
  const issued: VerifiedToken[] = []
  for (const [audience, target] of client.audiences ?? []) {
    for (const scope of subsets(intersectScope(target.scope, token.scope))) {
      for (const mode of ['delegation', 'impersonation'] as const) {
        for (const actorToken of [undefined, person]) {
          const asked = { client: client.id, audience, scope, mode, actorToken }
          issued.push(...(await issue(server, policyOf(server), token, asked)))
        }
      }
    }
  }
  return issued
}

/** What the client credentials grant decides. */
function issueMachine(
  server: TokenServer,
  policy: Policy | undefined,
  client: string,
  { audience, scope }: MachineRequest,
): readonly VerifiedToken[] {
  const known = server.clients.find(({ id }) => id === client)
  const target = known?.audiences?.get(audience)
  if (known?.grants.has(grantType.clientCredentials) !== true || target === undefined) return []
  if (!isScopeWithin(scope, target.scope)) return []
  const context = { now: noon, caseId: undefined, environment: server.environment, approval: undefined }
  const question = {
    mode: 'machine',
    client,
    audience,
    scope,
    subject: undefined,
    actorToken: undefined,
  } as const
  const decision = policy?.decide({ ...question, context })
  if (decision?.effect === 'deny') return []
  const { issuer } = server
  const claims = { sub: client, iss: issuer, subject_kind: 'machine' }
  return [aVerifiedToken({ issuer, subject: client, audience: [audience], clientId: client, scope, claims })]
}

interface Asked {
  readonly client: string
  readonly audience: string
  readonly scope: ScopeSet
  readonly mode: ExchangeMode
  readonly actorToken: VerifiedToken | undefined
}

async function issue(
  server: TokenServer,
  policy: Policy | undefined,
  token: VerifiedToken,
  { client: clientId, audience, scope, mode, actorToken }: Asked,
): Promise<readonly VerifiedToken[]> {
  const client = server.clients.find(({ id }) => id === clientId)
  const target = client?.audiences?.get(audience)
  if (client === undefined || target === undefined || mode === 'machine') return []
  const isOwn = token.issuer === server.issuer
  if (isOwn ? actorDepth(token.actor) > server.maxActorDepth : !isAccepted(server.accepts, token)) return []
  const { issuer, maxActorDepth, maxActorVisits, environment } = server
  const permitted = await permitIssuance(
    {
      issuer,
      policy,
      environment,
      approvals: undefined,
      maxTtlSeconds: 300,
      budget: { maxActorDepth, maxActorVisits, maxActorBytes: 8_192 },
    },
    {
      client: {
        id: clientId,
        authentication: { kind: 'secret', secrets: [], methods: [] },
        accepts: [...client.accepts],
        audiences: undefined,
      },
      target: { audience, resources: new Set(target.resources), scope: target.scope, ttlSeconds: undefined },
      scope,
      subject: token,
      actorToken,
      mode,
      caseId: undefined,
      issuedTokenType: undefined,
      now: noon,
    },
  )
  if (!permitted.ok) return []
  const { issuance } = permitted.value
  const { txn: _, ...claims } = issuance.claims as Record<string, unknown>
  return [
    aVerifiedToken({
      issuer,
      subject: issuance.subject,
      audience: [issuance.audience],
      clientId,
      scope: issuance.scope,
      actor: issuance.actor && parseActor(issuance.actor, 64),
      expiresAt: token.expiresAt,
      claims: {
        ...claims,
        sub: issuance.subject,
        iss: issuer,
        ...(issuance.actor && { act: issuance.actor }),
      },
    }),
  ]
}

function isAccepted(acceptances: readonly Acceptance[], token: VerifiedToken): boolean {
  return acceptances.some(
    ({ issuer, audience, maxActorDepth }) =>
      issuer === token.issuer &&
      audience.some(one => token.audience.includes(one)) &&
      actorDepth(token.actor) <= maxActorDepth,
  )
}

/** Every set of scopes within a set. */
export function subsets(scope: ScopeSet): readonly ScopeSet[] {
  const sets: string[][] = [[]]
  for (const one of scope) sets.push(...sets.map(set => [...set, one]))
  return sets.map(set => scopeSet(set))
}
