import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { createRemoteDecisions } from '../../src/hop/authorize/remote/remote-decisions.ts'
import type { AdmittedRequest } from '../../src/model/admitted-request.ts'
import type { ProtectedRoute } from '../../src/model/route.ts'
import { createAllOf } from '../../src/policy/all-of.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { createRouteRules } from '../../src/policy/route-rules.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer } from '../support/fake-http-client.ts'
import { anAdmittedRequest, aRoute, aVerifiedToken } from '../support/nouns.ts'

/** The contract of `PolicyEngine`, on every implementation that decides by more than what it is given. */

const rule = { point: 'pdp', cacheMs: 5_000, whenUnavailable: 'deny' } as const
const permitted = aRoute({ decide: rule })
const unknown = aRoute({ id: 'unknown', decide: rule })
const forbidden = aRoute({ id: 'forbidden', clients: ['nobody'], decide: rule })
const local = createRouteRules([permitted, forbidden])

function remote(answer: FakeAnswer): PolicyEngine {
  return createRemoteDecisions(local, {
    points: [
      { name: 'pdp', url: new URL('https://pdp.test/'), secret: undefined, claims: [], timeoutMs: 1_000 },
    ],
    client: createFakeHttpClient(() => answer),
    clock: createFakeClock(),
    log: silentLog,
    service: 'orders',
    environment: undefined,
  })
}

const engines: readonly [string, () => PolicyEngine][] = [
  ['the rules of routes', () => local],
  ['all of several', () => createAllOf([local, createRouteRules([permitted, forbidden])])],
  ['a decision point that permits', () => remote({ body: '{"decision":true}' })],
]

const inTrouble: (typeof engines)[number] = [
  'a decision point that is in trouble, beside the rules',
  () => remote({ status: 500 }),
]

const ask = async (engine: PolicyEngine, route: ProtectedRoute) =>
  engine.decide(anAdmittedRequest({ route }), aVerifiedToken())

describe.each([...engines, inTrouble])('%s', (_, createEngine) => {
  it('denies what no rule permits', async () => {
    expect(await ask(createEngine(), unknown)).toMatchObject({ effect: 'deny', rule: 'unknown' })
  })

  it('denies what a rule denies, and names the rule', async () => {
    expect(await ask(createEngine(), forbidden)).toMatchObject({ effect: 'deny', rule: 'forbidden#clients' })
  })

  it('denies, and does not throw, when a claim cannot be read', async () => {
    const route = aRoute({ id: 'claims', allow: 'subject.missing.deeper == "x"', decide: rule })
    const engine = createRouteRules([route])
    const request: AdmittedRequest<ProtectedRoute> = anAdmittedRequest({ route })
    expect(await engine.decide(request, aVerifiedToken())).toMatchObject({ effect: 'deny' })
  })
})

describe.each(engines)('%s', (_, createEngine) => {
  it('permits what the rules permit, and no more than they', async () => {
    const decision = await ask(createEngine(), permitted)
    expect(decision).toMatchObject({ effect: 'permit', rule: 'orders' })
    expect(decision).not.toHaveProperty('scope')
  })

  it('gives the same object for the same answer', async () => {
    const engine = createEngine()
    expect(await ask(engine, permitted)).toBe(await ask(engine, permitted))
  })
})

describe(inTrouble[0], () => {
  it('denies when it cannot decide', async () => {
    expect(await ask(inTrouble[1](), permitted)).toMatchObject({ effect: 'deny', unavailable: true })
  })
})
