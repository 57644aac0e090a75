import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runPolicySuite } from '../../../../src/assemble/rehearsal/run-policy-suite.ts'
import { formatProblems } from '../../../../src/config/config-problem.ts'
import { loadPolicySuite } from '../../../../src/config/load.ts'
import type { AskedQuestion, PolicySuite } from '../../../../src/config/policy-suite.ts'
import { exchangeModes } from '../../../../src/oauth/exchange-mode.ts'
import { formatScope, scopeSet } from '../../../../src/oauth/scope-set.ts'
import { createPolicy } from '../../../../src/policy/policy.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import type { Outcome } from '../../../../src/review/outcome.ts'
import {
  audienceIds,
  clientIds,
  everyOccasion,
  policies,
  scopeTokens,
} from '../../../support/generated-policies.ts'
import { noon, policyServer } from '../../../support/policy.ts'
import { parseTestSuite, type SuiteFiles } from '../../../support/policy-suite.ts'
import { projectRoot } from '../../../support/source-files.ts'

describe('the tests of', () => {
  it.each([
    ['the example policy', 'config/policy.test.yaml', 25],
    ["the demo's gates", 'config/demo/policy.test.yaml', 8],
  ])('%s pass', async (_, file, least) => {
    const loaded = loadPolicySuite(join(projectRoot, file))
    if (!loaded.ok) throw new Error(formatProblems(loaded.error))
    const { cases } = await runPolicySuite(loaded.value)
    expect(cases.length).toBeGreaterThan(least)
    const failed = cases.filter(({ differences }) => differences.length > 0)
    expect(failed.map(({ asked, differences }) => ({ name: asked.name, differences }))).toEqual([])
  })
})

describe('a question', () => {
  it('is answered as the policy decides, whatever the policy and the question', async () => {
    await fc.assert(
      fc.asyncProperty(
        policies,
        fc.constantFrom(...exchangeModes),
        fc.constantFrom(...clientIds),
        fc.constantFrom(...audienceIds),
        fc.subarray(scopeTokens, { maxLength: 2 }),
        fc.nat(),
        fc.record({ hasCase: fc.boolean(), hasEnvironment: fc.boolean(), hasApproval: fc.boolean() }),
        async (document, mode, client, audience, tokens, pick, has) => {
          const occasions = [...everyOccasion({ mode, client, audience, scope: scopeSet(tokens) })]
          const full = occasions[pick % occasions.length] as PolicyQuestion
          const { caseId, environment, approval, now } = full.context
          const context = {
            now,
            caseId: has.hasCase ? caseId : undefined,
            environment: has.hasEnvironment ? environment : undefined,
            approval: has.hasApproval ? approval : undefined,
          }
          const question = { ...full, context }
          const decision = createPolicy(document, policyServer).decide(question)
          const outcome = await answer(document, question)
          expect(outcome.decision).toBe(decision.effect)
          expect(outcome.rule).toBe(decision.rule)
          if (decision.effect === 'deny') {
            expect(outcome.reason).toBe(decision.reason)
            expect(outcome.granted).toBeUndefined()
          } else {
            expect(outcome.granted).toMatchObject({
              mode,
              audience,
              scope: question.scope,
              subject: question.subject?.subject ?? client,
              lifeSeconds: Math.min(300, decision.ttlSeconds ?? 300, (decision.notAfter ?? Infinity) - now),
            })
          }
        },
      ),
      { numRuns: 150 },
    )
  }, 60_000)
})

async function answer(
  document: NonNullable<PolicySuite['policy']>['document'],
  question: PolicyQuestion,
): Promise<Outcome> {
  const { mode, client, audience, scope, subject, actorToken, context } = question
  const claimsOf = (token: typeof subject) =>
    token && {
      ...token.claims,
      aud: client,
      jti: 'given',
      iat: noon,
      exp: noon + 300,
      scope: formatScope(scopeSet(scopeTokens)),
    }
  const asked: AskedQuestion = {
    kind: 'question',
    mode,
    client,
    audience,
    scope,
    subject: claimsOf(subject),
    actor: claimsOf(actorToken),
    caseId: context.caseId,
    environment: context.environment,
    approval: context.approval,
  }
  const suite: PolicySuite = {
    file: 'policy.test.yaml',
    policy: { file: 'policy.yaml', document },
    isForSidecars: false,
    server: policyServer,
    hub: undefined,
    bounds: { maxTtlSeconds: 300, maxActorDepth: 8, maxActorBytes: 2048, maxActorVisits: 2 },
    cases: [{ name: 'one', line: 1, now: context.now, asked, expect: { decision: 'permit' } }],
  }
  const { cases } = await runPolicySuite(suite)
  return (cases[0] as (typeof cases)[number]).outcome
}

const files: SuiteFiles = {
  'policy.yaml': readFileSync(join(projectRoot, 'config/policy.yaml'), 'utf8'),
  'orders.yaml': `
service: orders
listen: 127.0.0.1:0
admin: 127.0.0.1:9090
upstream: http://127.0.0.1:3000
policy: policy.yaml
context: { case_id: X-Case-Id, actor_token: X-Actor-Token }
issuers:
  - { issuer: https://login.example.com, audience: [shop] }
sts: {}
routes:
  - name: read
    path: /orders/**
    methods: [GET]
    audience: orders-api
    scope: orders:read
    optional_scope: orders:write
    clients: [shop-web]
    allow: subject.tenant == request.headers["x-tenant"]
    ttl: 45s
  - { name: address, path: '/orders/{id}/address', methods: [PUT], audience: orders-api, scope: address:write }
  - { name: health, path: /healthz, public: true }
`,
  'nightly.yaml': `
service: nightly
listen: 127.0.0.1:0
admin: 127.0.0.1:9090
upstream: http://127.0.0.1:3000
policy: policy.yaml
context: { trust_domain: shop.example }
issuers: [{ issuer: https://login.example.com, audience: [shop] }]
sts: {}
routes:
  - { name: own, path: /own, audience: jobs-api, scope: reports:write, mode: machine }
  - { name: dual, path: /dual, audience: jobs-api, scope: reports:write, identity: dual }
`,
}

/** The same sidecar with a token service elsewhere, of which only its name is known. */
const elsewhere: SuiteFiles = {
  ...files,
  'orders.yaml': (files['orders.yaml'] ?? '').replace(
    'sts: {}',
    `exchange: { server: https://hub.example.com, client: { id: orders, secret: '\${S}' } }`,
  ),
}

async function ask(request: string, more: SuiteFiles = files): Promise<Outcome> {
  const suite = parseTestSuite(
    `
env: { S: placeholder }
tokens:
  alice: { sub: alice, tenant: blue, client_id: shop-web, scope: orders:read orders:write address:write }
  agent: { sub: agent-7, tenant: blue, roles: [support] }
defaults: { request: { config: orders.yaml, token: alice } }
cases:
  - { name: one, request: ${request}, expect: { decision: permit } }
`,
    more,
  )
  const { cases } = await runPolicySuite(suite)
  return (cases[0] as (typeof cases)[number]).outcome
}

describe.each([
  ['a token service inside', files],
  ['a token service elsewhere', elsewhere],
])('a request at a sidecar with %s', (_, given) => {
  it('is granted what route, token and rule have in common, for as long as the shortest wants', async () => {
    expect(await ask('{ url: http://orders/orders/17, headers: { X-Tenant: blue } }', given)).toEqual({
      decision: 'permit',
      route: 'read',
      rule: 'own-audience',
      reason: undefined,
      refusal: undefined,
      stepUp: undefined,
      approvers: undefined,
      granted: {
        mode: 'delegation',
        subject: 'alice',
        audience: 'orders-api',
        scope: ['orders:read', 'orders:write'],
        lifeSeconds: 45,
        act: ['orders'],
      },
    })
  })

  it('lets a person act by the token and the case in the headers that the sidecar declares', async () => {
    const put = 'method: PUT, url: http://orders/orders/17/address, actor: agent'
    expect(await ask(`{ ${put}, headers: { X-Case-Id: CASE-1042 } }`, given)).toMatchObject({
      decision: 'permit',
      route: 'address',
      rule: 'support-within-tenant',
      // The rule says a minute, and another route of this audience less.
      granted: { act: ['agent-7'], lifeSeconds: 45, scope: ['address:write'] },
    })
    expect(await ask(`{ ${put} }`, given)).toMatchObject({
      decision: 'deny',
      route: 'address',
      rule: 'support-within-tenant',
      refusal: 'policy.denied',
    })
  })
})

describe('a request at a sidecar', () => {
  it.each([
    ['route.not_found', '{ url: http://orders/nothing }', undefined],
    ['route.method_not_allowed', '{ method: DELETE, url: http://orders/orders/17 }', undefined],
    ['token.missing', 'no token', 'read'],
    ['token.invalid', '{ url: http://orders/orders/17, token: { sub: alice, aud: other } }', 'read'],
    ['token.invalid', '{ url: http://orders/orders/17, token: { sub: alice, exp: -1m } }', 'read'],
    ['token.invalid', '{ url: http://orders/orders/17, token: { sub: alice, iss: https://other } }', 'read'],
    ['request.malformed', '{ url: http://orders/orders/17, headers: { X-Case-Id: "two words" } }', undefined],
  ])('is refused as %s for %s', async (code, request, route) => {
    const outcome = code === 'token.missing' ? await askWithoutToken() : await ask(request)
    expect(outcome).toMatchObject({ decision: 'deny', refusal: code })
    expect(outcome.route).toBe(route)
  })

  it('is decided by the rules of its route as well', async () => {
    const red = await ask('{ url: http://orders/orders/17, headers: { X-Tenant: red } }')
    expect(red).toMatchObject({ decision: 'deny', rule: 'read#allow', refusal: 'policy.denied' })
    const other = await ask('{ url: http://orders/orders/17, token: { sub: alice, client_id: other-web } }')
    expect(other).toMatchObject({ decision: 'deny', rule: 'read#clients' })
  })

  it('needs no token where the route is public', async () => {
    expect(await ask('{ url: http://orders/healthz }')).toMatchObject({
      decision: 'permit',
      route: 'health',
      granted: undefined,
    })
  })
})

describe('a request at a route for machines', () => {
  const permissive: SuiteFiles = {
    ...files,
    'policy.yaml': `
clients: { nightly: { kind: worker } }
audiences: { jobs-api: { scopes: [reports:write] }, shop.example: { scopes: [reports:write] } }
rules:
  - { id: itself, mode: machine, who: { kind: [worker] }, into: [jobs-api], ttl: 1m }
  - { id: context, who: { kind: [worker] }, for: { kind: [user] }, into: [shop.example] }
`,
  }
  const token = '{ sub: alice, client_id: shop-web, scope: reports:write }'
  const at = (path: string) => `{ config: nightly.yaml, url: http://nightly${path}, token: ${token} }`

  it('is granted a token of the sidecar itself, and says nothing of the caller', async () => {
    const job = '{ sub: batch, client_id: batch, scope: reports:write }'
    const byJob = `{ config: nightly.yaml, url: http://nightly/own, token: ${job} }`
    expect(await ask(at('/own'), permissive)).toMatchObject({ decision: 'deny', rule: 'own#mode' })
    expect(await ask(byJob, permissive)).toMatchObject({
      decision: 'permit',
      route: 'own',
      rule: 'itself',
      granted: { mode: 'machine', subject: 'nightly', scope: ['reports:write'], act: [] },
    })
    const without = byJob.replace(', scope: reports:write', '')
    expect(await ask(without, permissive)).toMatchObject({
      decision: 'deny',
      refusal: 'policy.scope_missing',
    })
  })

  it('takes a permit for the Transaction Token as well, with dual identity', async () => {
    expect(await ask(at('/dual'), permissive)).toMatchObject({
      decision: 'permit',
      granted: { mode: 'machine', subject: 'nightly' },
    })
    const policy = (permissive['policy.yaml'] ?? '').replace('kind: [user]', 'kind: [machine]')
    expect(await ask(at('/dual'), { ...permissive, 'policy.yaml': policy })).toMatchObject({
      decision: 'deny',
      rule: 'context',
    })
  })

  it('is refused where the token service gives no Transaction Token, with dual identity', async () => {
    const server = `exchange: { server: https://hub.example.com, client: { id: nightly, secret: '\${S}' } }`
    const suite = (domain: string) => {
      const hub = `
listen: 127.0.0.1:0
admin: 127.0.0.1:9191
policy: policy.yaml
sts:
  issuer: https://hub.example.com
  ${domain}
  issuers: [{ issuer: https://login.example.com, audience: [shop] }]
  clients: [{ id: nightly, secret: '\${S}', accepts: [shop] }]
`
      const sidecar = (permissive['nightly.yaml'] ?? '').replace('sts: {}', server)
      return parseTestSuite(
        `
hub: hub.yaml
env: { S: placeholder }
cases: [{ name: one, request: ${at('/dual')}, expect: { decision: permit } }]
`,
        { ...permissive, 'nightly.yaml': sidecar, 'hub.yaml': hub },
      )
    }
    const [given] = (await runPolicySuite(suite('trust_domain: shop.example'))).cases
    expect(given?.outcome).toMatchObject({ decision: 'permit' })
    const [refused] = (await runPolicySuite(suite(''))).cases
    expect(refused?.outcome).toMatchObject({ decision: 'deny', route: 'dual' })
  })

  it('is refused with a Transaction Token, which nobody has verified', async () => {
    const headers = 'headers: { Txn-Token: whatever }'
    const request = `{ config: nightly.yaml, url: http://nightly/dual, token: ${token}, ${headers} }`
    expect(await ask(request, permissive)).toMatchObject({ decision: 'deny', refusal: 'token.invalid' })
  })
})

describe('a suite with a hub', () => {
  const hub = `
listen: 127.0.0.1:0
admin: 127.0.0.1:9191
policy: policy.yaml
sts:
  issuer: https://hub.example.com
  max_ttl: 40s
  issuers: [{ issuer: https://login.example.com, audience: [shop] }]
  clients:
    - { id: orders, secret: '\${S}', accepts: [shop], audiences: { orders-api: { scope: orders:read, ttl: 30s } } }
    - { id: billing, secret: '\${S}', accepts: [shop] }
`
  const answer = async (asked: string): Promise<Outcome> => {
    const suite = parseTestSuite(
      `
hub: hub.yaml
env: { S: placeholder }
tokens: { alice: { sub: alice, tenant: blue, aud: shop, scope: 'orders:read address:write invoices:read' } }
cases: [{ name: one, ${asked}, expect: { decision: permit } }]
`,
      { ...elsewhere, 'hub.yaml': hub },
    )
    const { cases, policy } = await runPolicySuite(suite)
    if (suite.cases[0]?.asked.kind === 'question') expect(policy?.file).toBe('/suite/hub.yaml')
    return (cases[0] as (typeof cases)[number]).outcome
  }

  it('is given what the hub gives its clients, and no more', async () => {
    const question = 'given: { client: orders, audience: orders-api, subject: alice, scope: '
    expect((await answer(`${question} orders:read }`)).granted?.lifeSeconds).toBe(30)
    expect(await answer(`${question} address:write }`)).toMatchObject({
      decision: 'deny',
      rule: 'own-audience',
      reason: 'the token service: scope is wider than the subject token or the client allows',
    })
    const billing = 'given: { client: billing, audience: billing-api, subject: alice, scope: invoices:read }'
    expect((await answer(billing)).granted?.lifeSeconds).toBe(40)
    const other =
      'given: { client: storefront, audience: storefront-api, subject: alice, scope: orders:read }'
    expect(await answer(other)).toMatchObject({ decision: 'deny', refusal: 'exchange.client_rejected' })
  })

  it('has the sidecars of that hub ask it', async () => {
    const request =
      'request: { config: orders.yaml, token: alice, method: PUT, url: http://orders/orders/17/address }'
    expect(await answer(request)).toMatchObject({
      decision: 'deny',
      route: 'address',
      refusal: 'exchange.denied',
    })
  })
})

/** A default cannot be taken back, so the case has defaults of its own. */
async function askWithoutToken(): Promise<Outcome> {
  const suite = parseTestSuite(
    `
cases:
  - name: one
    request: { config: orders.yaml, url: http://orders/orders/17 }
    expect: { decision: deny }
`,
    files,
  )
  const { cases } = await runPolicySuite(suite)
  return (cases[0] as (typeof cases)[number]).outcome
}
