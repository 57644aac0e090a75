import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ProtectedRoute } from '../../../../src/model/route.ts'
import { subjectKind } from '../../../../src/model/subject-kind.ts'
import type { VerifiedToken } from '../../../../src/model/verified-token.ts'
import { grantType } from '../../../../src/oauth/grant-type.ts'
import { formatScope, isScopeWithin, scopeSet } from '../../../../src/oauth/scope-set.ts'
import type { PolicyDocument, PolicyRule } from '../../../../src/policy/document.ts'
import { type Cycle, findCycles } from '../../../../src/review/graph/cycles.ts'
import { describeChain } from '../../../../src/review/graph/describe.ts'
import { createExchanges, type Via } from '../../../../src/review/graph/exchanges.ts'
import { buildSystemGraph, type PolicyGraph } from '../../../../src/review/graph/graph.ts'
import type { Reach, Step } from '../../../../src/review/graph/reach.ts'
import type { System } from '../../../../src/review/graph/system.ts'
import { type TokenClass, tokenKey } from '../../../../src/review/graph/token-class.ts'
import { aRoute, aVerifiedToken } from '../../../support/nouns.ts'
import { type SimulatedChain, simulate, subsets } from '../../../support/simulated-system.ts'

const server = 'https://hub.test'
const login = 'https://login.test'
const services = ['a', 'b', 'c', 'd']
const audiences = ['x', 'y', 'z']
const scopes = ['r', 's', 't']

const someScope = fc.subarray(scopes).map(list => scopeSet(list))
const mostScope = fc.oneof(fc.constant(scopeSet(scopes)), someScope)
const mostAudiences = fc.oneof(fc.constant(audiences), fc.subarray(audiences))
const someAudiences = fc.subarray(audiences, { minLength: 1 })

const someRoute = (id: string): fc.Arbitrary<ProtectedRoute> =>
  fc
    .record({
      scope: fc.subarray(scopes, { maxLength: 1 }).map(list => scopeSet(list)),
      optionalScope: someScope,
      audience: fc.constantFrom(...audiences),
      mode: fc.constantFrom('delegation', 'delegation', 'delegation', 'impersonation', 'machine'),
      clients: fc.option(fc.subarray(services, { minLength: 1 }), { nil: undefined, freq: 4 }),
    })
    .map(({ clients, optionalScope, scope, ...route }) =>
      aRoute({
        ...route,
        id,
        scope,
        optionalScope: scopeSet(optionalScope.filter(one => !scope.includes(one))),
        ...(clients !== undefined && { clients: [...clients, 'web'] }),
      }),
    )

/** Rules whose every condition is settled by who asks, for what kind of subject and for which scope. */
const someRule: fc.Arbitrary<PolicyRule> = fc
  .record({
    mode: fc.constantFrom(
      'delegation' as const,
      'delegation' as const,
      'impersonation' as const,
      'machine' as const,
    ),
    clients: fc.option(fc.subarray(services, { minLength: 1 }), { nil: undefined }),
    kinds: fc.option(fc.subarray(['user' as const, 'machine' as const], { minLength: 1 }), {
      nil: undefined,
    }),
    into: fc.oneof(someAudiences, fc.constant('own' as const)),
    scope: fc.option(someScope, { nil: undefined }),
    actor: fc.constantFrom(undefined, undefined, 'anyone' as const),
  })
  .map(({ mode, clients, kinds, into, scope, actor }) => ({
    id: '',
    mode,
    who: { clients, kinds: clients === undefined ? ['service'] : undefined, actor },
    for: { kinds, subjects: undefined, issuers: undefined, tenants: undefined, attributes: new Map() },
    into,
    scope,
    when: undefined,
    ttlSeconds: undefined,
    require: {
      caseId: undefined,
      acr: undefined,
      maxAgeSeconds: undefined,
      approval: undefined,
      environments: undefined,
      businessHours: undefined,
    },
  }))

const somePolicy: fc.Arbitrary<PolicyDocument> = fc
  .record({
    rules: fc.array(someRule, { minLength: 1, maxLength: 4 }),
    scopes: fc.tuple(someScope, someScope, someScope),
    served: fc.tuple(fc.subarray(services), fc.subarray(services), fc.subarray(services)),
  })
  .map(({ rules, ...of }) => ({
    digest: 'digest',
    clients: new Map(services.map(id => [id, { id, kind: 'service', attributes: {} }])),
    audiences: new Map(
      audiences.map((id, index) => [
        id,
        { id, scope: of.scopes[index] ?? scopeSet([]), servedBy: of.served[index] ?? [] },
      ]),
    ),
    rules: rules.map((rule, index) => ({ ...rule, id: `rule-${index}` })),
    claims: { tenant: 'tenant', roles: 'roles' },
    approvers: new Map(),
  }))

const someGate = (service: string) =>
  fc
    .record({
      fromLogin: fc.boolean(),
      takesPerson: fc.boolean(),
      accepted: mostAudiences,
      depth: fc.integer({ min: 1, max: 5 }),
      routes: fc
        .integer({ min: 1, max: 2 })
        .chain(count =>
          fc.tuple(...Array.from({ length: count }, (_, index) => someRoute(`${service}${index}`))),
        ),
    })
    .map(({ fromLogin, takesPerson, accepted, depth, routes }) => ({
      file: `${service}.yaml`,
      service,
      client: service,
      server,
      accepts: [
        ...(fromLogin ? [{ issuer: login, audience: ['web'], maxActorDepth: depth }] : []),
        { issuer: server, audience: accepted, maxActorDepth: depth },
      ],
      routes,
      namesActor: true,
      takesPerson,
    }))

const someClient = (id: string) =>
  fc
    .record({
      hasItself: fc.boolean(),
      accepts: mostAudiences,
      audiences: fc.array(fc.tuple(fc.constantFrom(...audiences), mostScope), { minLength: 1, maxLength: 5 }),
    })
    .map(({ hasItself, accepts, audiences: own }) => ({
      id,
      grants: new Set([grantType.tokenExchange, ...(hasItself ? [grantType.clientCredentials] : [])]),
      accepts: new Set([id, 'web', ...accepts]),
      audiences: new Map(own.map(([audience, scope]) => [audience, { scope, resources: [] }])),
    }))

/** Up to four services, of which one may have no sidecar. */
const someSystem = (mostVisits: fc.Arbitrary<number>): fc.Arbitrary<System> =>
  fc
    .record({
      gates: fc
        .integer({ min: 1, max: 4 })
        .chain(count => fc.tuple(...services.slice(0, count).map(service => someGate(service)))),
      clients: fc.tuple(...services.map(service => someClient(service))),
      gatePolicy: fc.option(somePolicy, { nil: undefined }),
      serverPolicy: fc.option(somePolicy, { nil: undefined }),
      isOne: fc.boolean(),
      depth: fc.integer({ min: 1, max: 5 }),
      visits: mostVisits,
    })
    .map(({ gates, clients, gatePolicy, serverPolicy, isOne, depth, visits }) => ({
      notFollowed: [],
      gates: gates.map(gate => ({ ...gate, policy: gatePolicy, environment: undefined })),
      servers: [
        {
          file: 'hub.yaml',
          issuer: server,
          accepts: [{ issuer: login, audience: ['web'], maxActorDepth: 4 }],
          clients: clients.slice(0, Math.max(2, gates.length)),
          maxActorDepth: depth,
          maxActorVisits: visits,
          policy: isOne ? gatePolicy : serverPolicy,
          environment: undefined,
        },
      ],
    }))

const longestChain = 4

/** Everything that every login token can become. */
async function simulateAll(system: System, ways: readonly Via[]): Promise<readonly SimulatedChain[]> {
  const chains: SimulatedChain[] = []
  for (const kind of ['user', 'machine'] as const) {
    for (const scope of subsets(scopeSet(scopes))) {
      for (const act of [undefined, { sub: 'assistant', iss: login }]) {
        const claims = {
          sub: 'alice',
          iss: login,
          ...(kind === 'machine' && { subject_kind: 'machine' }),
          ...(act !== undefined && { act }),
        }
        const token = aVerifiedToken({
          issuer: login,
          audience: ['web'],
          clientId: 'web',
          scope,
          claims,
          actor: act && { subject: act.sub, issuer: act.iss },
        })
        chains.push(...(await simulate(system, ways, token, longestChain)))
      }
    }
  }
  return chains
}

function findReachOf({ reaches }: PolicyGraph, via: Via | undefined): Reach | undefined {
  return reaches.find(({ entry }) => entry.issuer === login && keyOf(entry.at) === keyOf(via))
}

/** The graph makes its own ways of the same system. */
function keyOf(via: Via | undefined): string {
  if (via === undefined) return ''
  return via.kind === 'route' ? `route ${via.route.id}` : `client ${via.client.id} ${via.grant}`
}

/** The classes that a chain of ways can lead to. */
function follow(reach: Reach, ways: readonly Via[]): readonly TokenClass[] {
  const steps: readonly Step[] = [...reach.stepsFrom.values()].flat()
  let classes = reach.reached.flatMap(({ steps: way }) => way.slice(0, 1)).map(({ outcome }) => outcome.token)
  for (const via of ways.slice(1)) {
    const keys = new Set(classes.map(tokenKey))
    classes = steps
      .filter(step => keys.has(tokenKey(step.from)) && keyOf(step.via) === keyOf(via))
      .map(({ outcome }) => outcome.token)
  }
  return classes
}

function holds(token: TokenClass, one: VerifiedToken): boolean {
  return (
    token.issuer === one.issuer &&
    one.audience.includes(token.audience ?? '') &&
    token.client === one.clientId &&
    holdsActor(token.actor, one.actor) &&
    isScopeWithin(token.least, one.scope) &&
    isScopeWithin(one.scope, token.most ?? one.scope) &&
    token.kinds.includes(subjectKind(one))
  )
}

function holdsActor(actor: TokenClass['actor'], one: VerifiedToken['actor']): boolean {
  if (one === undefined) return actor === 'nobody'
  return one.issuer === login ? actor === 'person' : typeof actor === 'object' && actor.client === one.subject
}

/** Whether tokens really went round; undefined when that takes longer than the simulation does. */
function isDone({ steps }: Cycle, reach: Reach, chains: readonly SimulatedChain[]): boolean | undefined {
  const from = steps[0]?.from
  if (from === undefined) return false
  const shortest = reach.reached.find(({ token }) => tokenKey(token) === tokenKey(from))?.steps.length ?? 0
  if (shortest + steps.length > longestChain) return undefined
  const textOf = (ways: readonly Via[]): string => ways.map(keyOf).join(' → ')
  const round = textOf(steps.map(({ via }) => via))
  const before = chains.filter(
    ({ ways, token }) => keyOf(ways[0]) === keyOf(reach.entry.at) && holds(from, token),
  )
  return before.some(({ ways, token }) =>
    chains.some(
      after =>
        textOf(after.ways) === `${textOf(ways)} → ${round}` &&
        holds(from, after.token) &&
        formatScope(after.token.scope) === formatScope(token.scope),
    ),
  )
}

describe('the graph', () => {
  it('has every chain of every small system, with every scope that a token can end with', async () => {
    let checked = 0
    await fc.assert(
      fc.asyncProperty(someSystem(fc.integer({ min: 1, max: 3 })), async system => {
        const graph = buildSystemGraph(system)
        for (const { ways, token } of await simulateAll(system, createExchanges(system).ways)) {
          const reach = findReachOf(graph, ways[0])
          expect(reach, `an entry at ${keyOf(ways[0])}`).toBeDefined()
          if (reach === undefined) continue
          const classes = follow(reach, ways)
          expect(
            classes.some(one => holds(one, token)),
            `${ways.map(keyOf).join(' → ')}: ${token.audience} ${token.scope.join(' ')}`,
          ).toBe(true)
          expect(reach.reached.some(one => holds(one.token, token))).toBe(true)
          checked++
        }
        const passed = new Set(
          (await simulateAll(system, createExchanges(system).ways)).map(({ ways }) => keyOf(ways.at(-1))),
        )
        for (const { kind, message } of graph.findings) {
          if (kind !== 'unsatisfiable-route') continue
          for (const way of passed) expect(message).not.toContain(`"${way.replace('route ', '')}"`)
        }
      }),
      { numRuns: 50 },
    )
    expect(checked).toBeGreaterThan(300)
  }, 60_000)

  it('has nothing that cannot happen, where rules have no conditions: each class, and each finding, is real', async () => {
    const cycles = { loop: 0, callback: 0 }
    await fc.assert(
      fc.asyncProperty(someSystem(fc.constant(32)), async system => {
        const graph = buildSystemGraph(system)
        const chains = await simulateAll(system, createExchanges(system).ways)
        // What clients have for themselves is not simulated.
        const own = graph.reaches.filter(({ entry }) => entry.issuer !== login)
        for (const reach of graph.reaches.filter(({ entry }) => entry.issuer === login)) {
          for (const cycle of findCycles(reach)) {
            const isReal = isDone(cycle, reach, chains)
            if (isReal !== undefined) cycles[cycle.isBounded ? 'callback' : 'loop']++
            expect(isReal ?? true, describeChain(cycle.steps)).toBe(true)
          }
          const { entry, reached } = reach
          for (const { token, steps } of reached) {
            if (steps.length > longestChain) continue
            const isReal = chains.some(
              chain =>
                keyOf(chain.ways[0]) === keyOf(entry.at) &&
                holds(token, chain.token) &&
                isScopeWithin(token.most ?? scopeSet([]), chain.token.scope),
            )
            expect(isReal, `${keyOf(entry.at)}: ${tokenKey(token)}`).toBe(true)
          }
        }
        for (const { kind, message } of graph.findings) {
          const issued = new Set([
            ...chains.flatMap(({ token }) => token.audience),
            ...own.flatMap(({ reached }) => reached.map(({ token }) => token.audience)),
          ])
          if (kind === 'unserved-audience') {
            expect([...issued].some(audience => message.includes(`issued for ${audience},`))).toBe(true)
          }
          if (kind === 'orphan-audience') {
            expect([...issued].some(audience => message.includes(`the audience ${audience},`))).toBe(false)
          }
          expect(kind).not.toBe('widening')
        }
      }),
      { numRuns: 50 },
    )
    expect(cycles.loop + cycles.callback).toBeGreaterThan(0)
  }, 60_000)
})
