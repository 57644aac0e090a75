import { beforeEach, describe, expect, it } from 'vitest'
import { HttpClientError } from '../../../../../src/base/http-client.ts'
import { createLog } from '../../../../../src/base/log.ts'
import { Secret } from '../../../../../src/base/secret.ts'
import { createRemoteDecisions } from '../../../../../src/hop/authorize/remote/remote-decisions.ts'
import type { Decision } from '../../../../../src/model/decision.ts'
import type { ProtectedRoute, RemoteDecisionRule } from '../../../../../src/model/route.ts'
import type { VerifiedToken } from '../../../../../src/model/verified-token.ts'
import { scopeSet } from '../../../../../src/oauth/scope-set.ts'
import { createFakeClock } from '../../../../support/fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../../../support/fake-http-client.ts'
import { anAdmittedRequest, aRoute, aVerifiedToken } from '../../../../support/nouns.ts'

const permit: Decision = Object.freeze({ effect: 'permit', rule: 'local', scope: scopeSet(['orders:read']) })
const denial: Decision = { effect: 'deny', rule: 'local', reason: 'no' }

function start(answer: FakeAnswer | (() => FakeAnswer | Promise<FakeAnswer>), local: Decision = permit) {
  const clock = createFakeClock()
  const lines: string[] = []
  const state = { answer, local }
  const client = createFakeHttpClient(() =>
    typeof state.answer === 'function' ? state.answer() : state.answer,
  )
  const engine = createRemoteDecisions(
    { decide: () => state.local },
    {
      points: [
        {
          name: 'pdp',
          url: new URL('https://pdp.test/access/v1/evaluation'),
          secret: new Secret('pdp-secret'),
          claims: ['department', 'missing'],
          timeoutMs: 1_000,
        },
      ],
      service: 'orders',
      environment: 'prod',
      client,
      clock,
      log: createLog('test', line => lines.push(line)),
    },
  )
  const routes = new Map<string, ProtectedRoute>()
  const routeOf = (rule: Partial<RemoteDecisionRule>): ProtectedRoute => {
    const key = JSON.stringify(rule)
    const route =
      routes.get(key) ??
      aRoute({ decide: { point: 'pdp', cacheMs: 5_000, whenUnavailable: 'deny', ...rule } })
    routes.set(key, route)
    return route
  }
  const decide = async (
    about: {
      rule?: Partial<RemoteDecisionRule>
      path?: string
      token?: Partial<VerifiedToken>
      actor?: string
    } = {},
  ) => {
    const { rule = {}, path = '/orders/17', token, actor } = about
    const actorToken = actor === undefined ? undefined : aVerifiedToken({ subject: actor })
    return engine.decide(anAdmittedRequest({ route: routeOf(rule), path }), aVerifiedToken(token), actorToken)
  }
  return { clock, client, decide, engine, lines, state }
}

const yes = { body: '{"decision":true}' }
const no = (context?: unknown) => ({ body: JSON.stringify({ decision: false, context }) })

describe('what a decision point is asked', () => {
  it('is an access evaluation of AuthZEN, with the configured claims and no token', async () => {
    const { client, decide } = start(yes)
    await decide({
      path: '/orders/%6117',
      token: { claims: { sub: 'alice', department: 'sales', salary: 7 }, authenticationContext: 'mfa' },
      actor: 'bob',
    })
    const [request] = client.requests
    expect(request).toMatchObject({
      method: 'POST',
      url: new URL('https://pdp.test/access/v1/evaluation'),
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer pdp-secret',
        'x-request-id': 'request-1',
      },
      timeoutMs: 1_000,
    })
    expect(JSON.parse(request?.body ?? '')).toEqual({
      subject: {
        type: 'user',
        id: 'alice',
        properties: {
          issuer: 'https://login.test',
          client_id: 'shop-web',
          scope: ['orders:read'],
          actors: [],
          acr: 'mfa',
          claims: { department: 'sales' },
        },
      },
      action: { name: 'GET' },
      resource: {
        type: 'route',
        id: 'orders',
        properties: { host: 'orders.test', path: '/orders/a17', audience: 'orders-api' },
      },
      context: {
        service: 'orders',
        environment: 'prod',
        actor: { id: 'bob', issuer: 'https://login.test' },
      },
    })
  })

  it('is nothing about what the policy denies, and nothing on a route without it', async () => {
    const { client, decide, engine, state } = start(yes, denial)
    expect(await decide()).toBe(denial)
    state.local = permit
    expect(engine.decide(anAdmittedRequest(), aVerifiedToken())).toBe(permit)
    expect(client.requests).toEqual([])
  })
})

describe('what it can say', () => {
  it('leaves a permit of the policy as it is', async () => {
    expect(await start(yes).decide()).toBe(permit)
    expect(await start({ body: '{"decision":true,"context":{"scope":"admin"}}' }).decide()).toBe(permit)
  })

  it('denies, with its reason for the record', async () => {
    expect(await start(no()).decide()).toEqual({
      effect: 'deny',
      rule: 'orders#decide',
      reason: 'decision point pdp denies: no reason given',
    })
    expect(await start(no({ reason: 'too\r\nlate' })).decide()).toMatchObject({
      reason: expect.stringContaining('"too\\r\\nlate"'),
    })
    expect(await start(no({ reason_admin: { 403: 'C076E82F' } })).decide()).toMatchObject({
      reason: /C076E82F/,
    })
  })

  it('asks for a step-up, sanitised', async () => {
    const stepUp = { acrValues: ['urn:com:example:loa:3', 'mfa'], maxAgeSeconds: 60 }
    const told = { acr_values: 'urn:com:example:loa:3 mfa', amr_values: 'mfa hwk', max_age: 60 }
    expect(await start(no(told)).decide()).toMatchObject({ effect: 'deny', stepUp })
    expect(await start(no({ acr_values: 'a"\r\n' })).decide()).not.toHaveProperty('stepUp')
  })

  it.each<[string, FakeAnswer]>([
    ['decision "true"', { body: '{"decision":"true"}' }],
    ['decision 1', { body: '{"decision":1}' }],
    ['no decision', { body: '{"context":{}}' }],
    ['two decisions', { body: '{"decision":false,"decision":true}' }],
    ['a list', { body: '[{"decision":true}]' }],
    ['garbage', { body: '<html>' }],
    ['nothing', { body: '' }],
    ['a permit with status 500', { status: 500, ...yes }],
    ['a permit with status 201', { status: 201, ...yes }],
    ['a redirect', { status: 307, headers: new Map([['location', '/']]), ...yes }],
    ['401', { status: 401 }],
    ['a timeout', new HttpClientError('timeout', new URL('https://pdp.test'), 'no answer within 1000 ms')],
    ['ten megabytes', new HttpClientError('too_large', new URL('https://pdp.test'), 'too long')],
  ])('is no decision by %s: the request is denied, or the policy decides alone', async (_, answer) => {
    const { client, decide } = start(answer)
    const denied = { effect: 'deny', rule: 'orders#decide', unavailable: true }
    expect(await decide()).toMatchObject(denied)
    expect(await decide()).toMatchObject(denied)
    expect(client.requests).toHaveLength(2)
    const ignored = await decide({ rule: { whenUnavailable: 'ignore' } })
    expect(ignored).toEqual({ ...permit, rule: 'local (pdp unavailable)' })
    expect(await decide({ rule: { whenUnavailable: 'ignore' } })).toBe(ignored)
  })

  it('is left alone for two seconds after five failures in a row', async () => {
    const { client, clock, decide, state } = start({ status: 503 })
    for (let index = 0; index < 8; index++) expect(await decide()).toMatchObject({ unavailable: true })
    expect(client.requests).toHaveLength(5)
    state.answer = yes
    clock.advanceMs(2_000)
    expect(await decide()).toBe(permit)
  })

  it('is not left alone because it answers what nobody understands', async () => {
    const { client, decide } = start({ body: '{}' })
    for (let index = 0; index < 8; index++) expect(await decide()).toMatchObject({ unavailable: true })
    expect(client.requests).toHaveLength(8)
  })

  it('is not ignored because it denies', async () => {
    expect(await start(no()).decide({ rule: { whenUnavailable: 'ignore' } })).toMatchObject({
      effect: 'deny',
    })
  })
})

describe('how long a decision is used', () => {
  let started: ReturnType<typeof start>
  beforeEach(() => {
    started = start(yes)
  })

  it('is as long as the route says, counted from the question, and then it is asked again', async () => {
    const { clock, client, decide, state } = started
    await decide()
    state.answer = no()
    clock.advanceMs(4_999)
    expect(await decide()).toBe(permit)
    clock.advanceMs(1)
    expect(await decide()).toMatchObject({ effect: 'deny' })
    clock.advanceMs(4_999)
    state.answer = yes
    expect(await decide()).toMatchObject({ effect: 'deny' })
    expect(client.requests).toHaveLength(2)
  })

  it('is answered at once when it is remembered', async () => {
    const { engine } = started
    const request = anAdmittedRequest({
      route: aRoute({ decide: { point: 'pdp', cacheMs: 1_000, whenUnavailable: 'deny' } }),
    })
    const token = aVerifiedToken()
    await engine.decide(request, token)
    expect(engine.decide(request, token)).toBe(permit)
  })

  it('is no time at all with 0, but who asks the same at the same time shares the question', async () => {
    const { client, decide } = started
    const rule = { cacheMs: 0 }
    await Promise.all([decide({ rule }), decide({ rule }), decide({ rule })])
    expect(client.requests).toHaveLength(1)
    await decide({ rule })
    expect(client.requests).toHaveLength(2)
  })

  it('is for exactly the same question', async () => {
    const { client, decide } = started
    await decide()
    await decide({ path: '/orders/18' })
    await decide({ token: { subject: 'bob' } })
    await decide({ token: { issuer: 'https://other.test' } })
    await decide({ token: { scope: scopeSet(['orders:read', 'more']) } })
    await decide({ token: { actor: { subject: 'front' } } })
    await decide({ token: { claims: { department: 'sales' } } })
    await decide({ actor: 'bob' })
    expect(client.requests).toHaveLength(8)
    await decide({ token: { claims: { salary: 7 } } })
    expect(client.requests).toHaveLength(8)
  })
})

describe('the log', () => {
  it('says once that nobody answers, once that somebody does again, and never the secret', async () => {
    const { decide, lines, state } = start({ status: 503 })
    const rule = { cacheMs: 0 }
    for (const _ of [1, 2, 3]) await decide({ rule })
    state.answer = yes
    for (const _ of [1, 2, 3]) await decide({ rule })
    expect(lines.map(line => JSON.parse(line).message ?? JSON.parse(line).msg)).toEqual([
      'decision point does not answer',
      'decision point answers again',
    ])
    expect(lines.join()).not.toContain('pdp-secret')
  })
})
