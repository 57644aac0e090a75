import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCacheContext } from '../../../../src/assemble/cache-context.ts'
import { explain } from '../../../../src/assemble/explain/explain.ts'
import { createHttpClient } from '../../../../src/base/http-client.ts'
import { silentLog } from '../../../../src/base/log.ts'
import { ok } from '../../../../src/base/result.ts'
import { Secret } from '../../../../src/base/secret.ts'
import { formatProblems } from '../../../../src/config/config-problem.ts'
import { parseSidecarConfig } from '../../../../src/config/parse-sidecar.ts'
import type { SidecarConfig } from '../../../../src/config/sidecar-config.ts'
import { cacheKey } from '../../../../src/hop/exchange/cache-key.ts'
import { permit } from '../../../../src/model/exchange-request.ts'
import type { ProtectedRoute } from '../../../../src/model/route.ts'
import type { Explanation } from '../../../../src/review/explanation.ts'
import { renderExplanationJson } from '../../../../src/review/explanation-json.ts'
import { renderExplanationText } from '../../../../src/review/explanation-text.ts'
import { createJwtVerifier } from '../../../../src/tokens/verify-jwt.ts'
import { projectRoot } from '../../../support/source-files.ts'
import { createTestIssuer, type TestIssuer } from '../../../support/tokens.ts'

const policy = readFileSync(join(projectRoot, 'config/policy.yaml'), 'utf8')
let login: TestIssuer
let config: SidecarConfig

const exchange = `exchange: { server: https://hub.test, client: { id: orders, secret: '\${SECRET}' } }`

function configOf(
  keys: string,
  changes: { readonly exchange?: string; readonly issuer?: string; readonly policy?: string } = {},
): SidecarConfig {
  const parsed = parseSidecarConfig(
    `
service: orders
listen: 127.0.0.1:0
admin: 127.0.0.1:9090
upstream: http://127.0.0.1:3000
policy: policy.yaml
environment: production
decision_points: { pdp: { url: https://pdp.test } }
context: { case_id: X-Case-Id, actor_token: X-Actor-Token${changes.policy === undefined ? '' : ', trust_domain: shop.example'} }
issuers:
  - { issuer: https://login.test, audience: [shop-web], keys: ${keys} ${changes.issuer ?? ''} }
${changes.exchange ?? exchange}
routes:
  - { name: read, path: /orders/**, methods: [GET], audience: orders-api, scope: orders:read, ttl: 2m }
  - { name: address, path: '/orders/{id}/address', audience: orders-api, scope: address:write }
  - name: guarded
    path: /guarded
    audience: orders-api
    allow: subject.tenant == request.headers["x-tenant"]
  - { name: fresh, path: /fresh, audience: orders-api, require: { acr: [mfa], max_age: 15m } }
  - { name: own, path: /own, audience: orders-api, scope: orders:read, mode: machine }
${changes.policy === undefined ? '' : '  - { name: dual, path: /dual, audience: orders-api, scope: orders:read, identity: dual }'}
  - { name: asked, path: /asked, audience: orders-api, decide: pdp }
  - { name: health, path: /healthz, public: true }
`,
    {
      file: '/x/orders.yaml',
      env: { SECRET: 'the-client-secret' },
      readText: () => ok(changes.policy ?? policy),
    },
  )
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  return parsed.value
}

beforeAll(async () => {
  login = await createTestIssuer({ issuer: 'https://login.test' })
  config = configOf(`{ inline: ${JSON.stringify(login.jwks)} }`)
})

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: readonly string[]
  readonly token?: string | undefined
  readonly actorToken?: string
  readonly verify?: boolean
  readonly config?: SidecarConfig
}

function ask({
  method = 'GET',
  path = '/orders/17',
  headers = [],
  verify = true,
  ...given
}: Asked): Promise<Explanation> {
  return explain(
    { file: 'orders.yaml', config: given.config ?? config, verify },
    {
      method,
      url: new URL(`http://orders.test${path}`),
      headers,
      token: given.token === undefined ? undefined : new Secret(given.token),
      actorToken: given.actorToken === undefined ? undefined : new Secret(given.actorToken),
    },
  )
}

const scope = 'orders:read address:write'
const signAlice = (claims: Record<string, unknown> = {}) => login.sign({ tenant: 'blue', scope, ...claims })
const signAgent = () => login.sign({ sub: 'agent-7', tenant: 'blue', roles: ['support'] })

function factsOf(explanation: Explanation, stage: string): Readonly<Record<string, unknown>> {
  const found = explanation.stages.find(one => one.stage === stage)
  return Object.fromEntries((found?.facts ?? []).map(({ name, value }) => [name, value]))
}

const outcomes = ({ stages }: Explanation) => stages.map(({ outcome }) => outcome)

describe('the explanation of a request that would be exchanged', () => {
  it('has the route and its rivals, the decision and every rule, the form, the cache key and the bounds', async () => {
    const token = await signAlice()
    const explanation = await ask({ token })
    expect(explanation.conclusion).toEqual({ would: 'exchange', unproven: [] })
    expect(outcomes(explanation)).toEqual(['passed', 'passed', 'passed', 'described'])
    expect(factsOf(explanation, 'accept')).toMatchObject({ route: 'read', routes: ['read: takes it'] })
    expect(factsOf(explanation, 'authenticate')).toMatchObject({
      token: { sub: 'alice', tenant: 'blue' },
      'token: signature': 'verified',
      'token: subject': 'alice, a user',
    })
    expect(factsOf(explanation, 'authorize')).toMatchObject({
      'route rules': 'permit by read',
      rules: [
        'support-within-tenant: lacks somebody who acts (after 2 of 7 steps)',
        'refund-with-approval: lacks somebody who acts (after 2 of 9 steps)',
        'own-audience: permits, and decides',
      ].map(text => expect.stringContaining(text.slice(0, 40))),
    })
    const { form, 'cache key': key, 'issued token': issued } = factsOf(explanation, 'exchange')
    expect(form).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: '<subject token>',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'orders-api',
      resource: undefined,
      scope: 'orders:read',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      actor_token: undefined,
      actor_token_type: undefined,
      request_context: undefined,
      exchange_mode: undefined,
    })
    expect(key).toMatchObject({ server: 'https://hub.test', client_id: 'orders', subject_token: '[secret]' })
    expect(issued).toMatchObject({ subject: 'alice', audience: 'orders-api', act: ['orders'] })
  })

  it('has the very id under which a sidecar would keep the answer', async () => {
    const token = await signAlice()
    const explanation = await ask({ token })
    const verifier = createJwtVerifier(config.issuers, {
      client: createHttpClient(),
      log: silentLog,
      tokenBytes: 8192,
    })
    const verified = await verifier.verify(token, Date.now() / 1000)
    verifier.close()
    if (!verified.ok) throw new Error(verified.error.detail)
    const route = config.routes.find(({ id }) => id === 'read') as ProtectedRoute
    const request = permit(route, verified.value, {
      effect: 'permit',
      rule: 'own-audience',
      mode: 'delegation',
    })
    if (request === undefined) throw new Error('not permitted')
    const { id } = cacheKey(request, createCacheContext(config, undefined)())
    expect(factsOf(explanation, 'exchange')['cache key id']).toBe(id)
  })

  it('has the person who acts and the case', async () => {
    const explanation = await ask({
      method: 'PUT',
      path: '/orders/17/address',
      headers: ['X-Case-Id', 'CASE-1042'],
      token: await signAlice(),
      actorToken: await signAgent(),
    })
    expect(explanation.conclusion.would).toBe('exchange')
    expect(factsOf(explanation, 'accept')).toMatchObject({
      'case id': 'CASE-1042',
      'actor token': 'is there',
    })
    expect(factsOf(explanation, 'exchange')).toMatchObject({
      form: { actor_token: '<actor token>', request_context: '{"case_id":"CASE-1042"}' },
      'issued token': { act: ['agent-7'] },
    })
  })

  it('holds no token, no signature and no secret, as text and as JSON', async () => {
    const tokens = [
      await signAlice({ nested: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl' }),
      await signAgent(),
    ]
    const explanation = await ask({
      headers: ['X-Case-Id', 'CASE-1042'],
      method: 'PUT',
      path: '/orders/17/address',
      token: tokens[0],
      actorToken: tokens[1] as string,
    })
    for (const text of [renderExplanationText(explanation), renderExplanationJson(explanation)]) {
      for (const token of tokens) {
        for (const part of token.split('.')) expect(text).not.toContain(part)
      }
      expect(text).not.toContain('c2lnbmF0dXJl')
      expect(text).not.toContain('the-client-secret')
    }
    expect(JSON.parse(renderExplanationJson(explanation)).stages.accept.route).toBe('address')
  })

  it('takes the token from a header field that is given as one, too', async () => {
    const explanation = await ask({ headers: ['Authorization', `Bearer ${await signAlice()}`] })
    expect(explanation.conclusion).toEqual({ would: 'exchange', unproven: [] })
    const twice = await ask({ headers: ['Authorization', 'Bearer x'], token: await signAlice() })
    expect(twice.conclusion).toMatchObject({ refusal: { code: 'token.ambiguous' } })
  })

  it('says that a public route needs no token', async () => {
    const explanation = await ask({ path: '/healthz' })
    expect(explanation.conclusion).toEqual({ would: 'forward', unproven: [] })
    expect(outcomes(explanation)).toEqual(['passed', 'not reached', 'not reached', 'not reached'])
  })
})

describe('the explanation of a request that would be refused', () => {
  it.each([
    ['route.not_found', 404, 'accept', { path: '/nothing' }],
    ['request.malformed', 400, 'accept', { headers: ['X-Case-Id', 'two words'] }],
    ['token.missing', 401, 'authenticate', { token: undefined }],
  ] as const)('has the code %s, its status %i, and ends at %s', async (code, status, stage, about) => {
    const explanation = await ask({ token: await signAlice(), ...about })
    expect(explanation.conclusion).toMatchObject({ would: 'refuse', refusal: { code, status } })
    expect(explanation.stages.find(({ outcome }) => outcome === 'refused')?.stage).toBe(stage)
  })

  it('says which check of the token fails, with the challenge that the caller sees', async () => {
    const explanation = await ask({ token: await signAlice({ aud: 'other' }) })
    expect(explanation.conclusion).toMatchObject({
      refusal: {
        code: 'token.invalid',
        reason: 'aud names nobody here',
        challenge: 'Bearer realm="orders", error="invalid_token"',
      },
    })
    const forged = await (await createTestIssuer({ issuer: 'https://login.test' })).sign()
    expect((await ask({ token: forged })).conclusion).toMatchObject({
      refusal: { code: 'token.invalid', reason: 'the signature does not verify' },
    })
    expect((await ask({ token: 'no token' })).conclusion).toMatchObject({ would: 'refuse' })
  })

  it('says what each rule lacks', async () => {
    const explanation = await ask({
      path: '/orders/17/address',
      method: 'PUT',
      token: await signAlice(),
      actorToken: await signAgent(),
    })
    expect(explanation.conclusion).toMatchObject({
      refusal: {
        code: 'policy.denied',
        status: 403,
        reason: 'rule support-within-tenant came closest; it lacks a case id',
      },
    })
    expect(factsOf(explanation, 'authorize')['rules']).toContain(
      'support-within-tenant: lacks a case id (after 6 of 7 steps)',
    )
  })

  it('says that the rules of the route refuse, whatever the policy permits', async () => {
    const explanation = await ask({
      path: '/guarded',
      headers: ['X-Tenant', 'red'],
      token: await signAlice(),
    })
    expect(explanation.conclusion).toMatchObject({ refusal: { code: 'policy.denied' } })
    expect(factsOf(explanation, 'authorize')).toMatchObject({
      'route rules': 'deny: the allow expression is not true',
      decision: expect.stringContaining('permit by own-audience'),
    })
  })

  it('shows the challenge for a stronger login', async () => {
    const explanation = await ask({ path: '/fresh', token: await signAlice() })
    expect(explanation.conclusion).toMatchObject({
      refusal: {
        code: 'token.step_up',
        status: 401,
        challenge: expect.stringContaining('acr_values="mfa"'),
      },
    })
  })
})

describe('the explanation of a request at a route for machines', () => {
  const withRules = (rules: string) =>
    configOf(`{ inline: ${JSON.stringify(login.jwks)} }`, {
      policy: `
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read, address:write] }, shop.example: { scopes: [orders:read] } }
rules: [${rules}]
`,
    })
  const itself = '{ id: itself, mode: machine, who: { client: [orders] }, into: [orders-api] }'
  const context = '{ id: context, who: { client: [orders] }, for: { kind: [user] }, into: [shop.example] }'

  it('has the form, the key and the bounds of the own token', async () => {
    const token = await signAlice({ sub: 'batch', client_id: 'batch' })
    const explanation = await ask({ path: '/own', token, config: withRules(itself) })
    expect(explanation.conclusion).toEqual({ would: 'exchange', unproven: [] })
    expect(factsOf(explanation, 'exchange')).toMatchObject({
      form: { grant_type: 'client_credentials', audience: 'orders-api', scope: 'orders:read' },
      'cache key': { mode: 'machine', audience: 'orders-api' },
      'cache key id': expect.stringMatching(/^[\w-]{43}$/),
      'issued token': { subject: 'orders', act: [] },
    })
  })

  it('has both tokens of dual identity, and what the second one lacks', async () => {
    const both = await ask({
      path: '/dual',
      token: await signAlice(),
      config: withRules(`${itself}, ${context}`),
    })
    expect(factsOf(both, 'exchange')).toMatchObject({
      form: { grant_type: 'client_credentials' },
      'Transaction Token: form': { audience: 'shop.example', subject_token: '<subject token>' },
    })
    const one = await ask({ path: '/dual', token: await signAlice(), config: withRules(itself) })
    expect(one.conclusion).toMatchObject({ would: 'refuse', refusal: { code: 'policy.denied' } })
    expect(factsOf(one, 'authorize')).toMatchObject({
      decision: expect.stringContaining('permit by itself'),
      'Transaction Token: decision': 'deny: no rule permits delegation into this audience',
    })
  })

  it('says that a Transaction Token which came along was not verified', async () => {
    const explanation = await ask({
      path: '/dual',
      headers: ['Txn-Token', 'whatever'],
      token: await signAlice(),
      config: withRules(itself),
    })
    expect(explanation.conclusion.unproven).toEqual([
      'the Transaction Token that came along was not verified',
    ])
  })
})

describe('an explanation without the keys', () => {
  it('goes on with the claims, makes every other check, and says that they are unproven', async () => {
    const forged = await (await createTestIssuer({ issuer: 'https://login.test' })).sign({
      tenant: 'blue',
      scope,
    })
    const explanation = await ask({ token: forged, verify: false })
    expect(explanation.conclusion).toEqual({
      would: 'exchange',
      unproven: ['the signature of the token was not verified (--no-verify)'],
    })
    expect(outcomes(explanation)[1]).toBe('unproven')
    expect(factsOf(explanation, 'authenticate')['token: signature']).toBe('not verified')
    expect(factsOf(explanation, 'exchange')['cache key id']).toContain('unknown')
    const actor = await login.sign({ sub: 'agent-7', aud: 'other' })
    expect((await ask({ token: forged, actorToken: actor, verify: false })).conclusion).toMatchObject({
      refusal: { code: 'token.invalid', reason: 'actor token: aud names nobody here' },
    })
    const late = await login.sign({ exp: 1_000_000_000, iat: 999_999_900 })
    expect((await ask({ token: late, verify: false })).conclusion).toMatchObject({
      refusal: { code: 'token.invalid', reason: 'expired' },
    })
  })

  it('says so where they cannot be had', async () => {
    const unreachable = configOf('{ file: missing.json }')
    const explanation = await ask({ token: await signAlice(), config: unreachable })
    expect(explanation.conclusion.unproven).toEqual([
      'the keys of https://login.test could not be had, so the signature of the token was not verified',
    ])
    expect(outcomes(explanation)).toEqual(['passed', 'unproven', 'passed', 'described'])
  })

  it('names the decision point that would be asked, and asks it nothing', async () => {
    const explanation = await ask({ path: '/asked', token: await signAlice() })
    expect(explanation.conclusion).toEqual({
      would: 'exchange',
      unproven: ['the decision point pdp was not asked'],
    })
    expect(outcomes(explanation)).toEqual(['passed', 'passed', 'unproven', 'described'])
    expect(factsOf(explanation, 'exchange')['cache key id']).toMatch(/^[\w-]{43}$/)
  })

  it('gives no id of a cache key that depends on keys which only the sidecar has', async () => {
    const inside = configOf(`{ inline: ${JSON.stringify(login.jwks)} }`, { exchange: 'sts: {}' })
    const explanation = await ask({ token: await signAlice(), config: inside })
    expect(factsOf(explanation, 'exchange')['cache key id']).toContain('depends on the keys')
  })
})
