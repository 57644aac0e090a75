import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explain } from '../../../src/assemble/explain/explain.ts'
import { Secret } from '../../../src/base/secret.ts'
import { runHopgate } from '../../support/child-process.ts'
import { hopYaml, type RunningHop, readConfig, startHop } from '../../support/start-hop.ts'
import { createTempFolder } from '../../support/temp-folder.ts'
import { createTestIssuer, type TestIssuer } from '../../support/tokens.ts'

const routes = `
  - { name: read, path: /orders/**, methods: [GET], audience: orders-api, scope: orders:read, clients: [shop-web] }
  - { name: fresh, path: /fresh, audience: orders-api, require: { acr: [mfa] } }
  - { name: mine, path: /mine, audience: orders-api, allow: 'subject.tenant == request.headers["x-tenant"]' }
  - { name: public, path: /public/**, public: true }
`

let issuer: TestIssuer
let hop: RunningHop

beforeAll(async () => {
  issuer = await createTestIssuer({ issuer: 'https://login.test' })
  hop = await startHop({ issuer, routes })
})
afterAll(() => hop.close())

describe('an explanation', () => {
  it.each([
    ['GET', '/orders/17', { scope: 'orders:read' }, {}],
    ['GET', '/orders/17', {}, {}],
    ['GET', '/orders/17', { scope: 'orders:read', client_id: 'other-web' }, {}],
    ['GET', '/orders/17', { aud: 'other' }, {}],
    ['GET', '/orders/17', { exp: 1_700_000_300, iat: 1_700_000_000 }, {}],
    ['GET', '/orders/17', { iss: 'https://nobody.test' }, {}],
    ['GET', '/orders/17', { cnf: { jkt: 'x' } }, {}],
    ['GET', '/orders/17', undefined, {}],
    ['POST', '/orders/17', {}, {}],
    ['GET', '/nothing', {}, {}],
    ['GET', '/orders/..;/17', {}, {}],
    ['GET', '/fresh', {}, {}],
    ['GET', '/fresh', { acr: 'mfa' }, {}],
    ['GET', '/mine', { tenant: 'blue' }, { 'X-Tenant': 'blue' }],
    ['GET', '/mine', { tenant: 'blue' }, { 'X-Tenant': 'red' }],
    ['GET', '/public/page', undefined, {}],
  ] as const)('says of %s %s with %j what the sidecar does', async (method, path, claims, headers) => {
    const token = claims === undefined ? undefined : await issuer.sign(claims)
    const config = readConfig(hopYaml(issuer, hop.upstream.url, { routes }))
    const explanation = await explain(
      { file: 'orders.yaml', config, verify: true },
      {
        method,
        url: new URL(`${hop.url}${path}`),
        headers: Object.entries(headers).flat(),
        token: token === undefined ? undefined : new Secret(token),
        actorToken: undefined,
      },
    )
    const answer = await fetch(`${hop.url}${path}`, {
      method,
      headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    })
    const body = await answer.text()
    const { conclusion } = explanation
    if (conclusion.would === 'refuse') {
      const { code, status, challenge } = conclusion.refusal
      expect(JSON.parse(body)).toMatchObject({ code, status })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('www-authenticate') ?? undefined).toBe(challenge)
    } else expect(answer.status).toBe(200)
  })
})

describe('an explanation of a request under a policy', () => {
  const options = {
    routes: `
  - { name: read, path: /orders/**, methods: [GET], audience: orders-api, scope: orders:read, optional_scope: orders:write }
  - { name: address, path: '/orders/{id}/address', methods: [PUT], audience: orders-api, scope: address:write }
  - { name: refund, path: '/orders/{id}/refund', methods: [PUT], audience: orders-api, scope: orders:refund }
  - { name: view, path: /view, audience: orders-api, scope: orders:read, mode: impersonation }
`,
    more: `
policy: config/policy.yaml
environment: production
context: { case_id: X-Case-Id, actor_token: X-Actor-Token }
`,
  }
  let supported: RunningHop

  beforeAll(async () => {
    supported = await startHop({ issuer, ...options })
  })
  afterAll(() => supported.close())

  const scope = 'orders:read orders:write orders:refund address:write'
  const alice = { sub: 'alice', tenant: 'blue', scope }
  const agent = { sub: 'agent-7', tenant: 'blue', roles: ['support'] }
  const inCase = { 'X-Case-Id': 'CASE-1042' }

  it.each([
    ['GET', '/orders/17', alice, undefined, {}],
    ['GET', '/orders/17', { ...alice, scope: 'orders:write' }, undefined, {}],
    ['PUT', '/orders/17/address', alice, agent, inCase],
    ['PUT', '/orders/17/address', alice, agent, {}],
    ['PUT', '/orders/17/address', alice, agent, { 'X-Case-Id': 'CASE-1' }],
    ['PUT', '/orders/17/address', alice, { ...agent, tenant: 'red' }, inCase],
    ['PUT', '/orders/17/address', alice, { ...agent, aud: 'other' }, inCase],
    ['PUT', '/orders/17/address', alice, alice, inCase],
    ['PUT', '/orders/17/refund', alice, agent, inCase],
    ['PUT', '/orders/17/refund', alice, { ...agent, roles: ['support-lead'] }, inCase],
    ['GET', '/view', alice, { ...agent, roles: ['support-lead'] }, inCase],
    ['GET', '/orders/17', { ...alice, may_act: { sub: 'billing' } }, undefined, {}],
    ['GET', '/orders/17', { ...alice, case_id: 'CASE-2000' }, undefined, inCase],
  ] as const)(
    'says of %s %s for %j by %j with %j what the sidecar does',
    async (method, path, claims, actor, headers) => {
      const token = await issuer.sign(claims)
      const actorToken = actor && (await issuer.sign(actor))
      const explanation = await explain(
        {
          file: 'orders.yaml',
          config: readConfig(hopYaml(issuer, supported.upstream.url, options)),
          verify: true,
        },
        {
          method,
          url: new URL(`${supported.url}${path}`),
          headers: Object.entries(headers).flat(),
          token: new Secret(token),
          actorToken: actorToken === undefined ? undefined : new Secret(actorToken),
        },
      )
      const index = supported.lines.length
      const answer = await fetch(`${supported.url}${path}`, {
        method,
        headers: {
          ...headers,
          authorization: `Bearer ${token}`,
          ...(actorToken !== undefined && { 'x-actor-token': actorToken }),
        },
      })
      await answer.text()
      const event = await supported.event(index)
      const { conclusion } = explanation
      if (conclusion.would === 'refuse') {
        expect({ code: event.refusal, reason: event.detail }).toEqual({
          code: conclusion.refusal.code,
          reason: conclusion.refusal.reason,
        })
        expect(answer.status).toBe(conclusion.refusal.status)
      } else {
        expect(answer.status).toBe(200)
        const bounds = explanation.stages
          .flatMap(({ facts }) => facts)
          .find(({ name }) => name === 'issued token')
        expect(bounds?.value).toMatchObject({
          scope_at_most: (event as { outbound?: { scope?: string } }).outbound?.scope,
        })
      }
    },
  )
})

describe('hopgate explain', () => {
  function prepare(): { readonly folder: string; readonly put: (name: string, text: string) => string } {
    const folder = createTempFolder()
    const put = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    put('orders.yaml', hopYaml(issuer, 'http://127.0.0.1:9', { routes }))
    return { folder, put }
  }

  async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const command = runHopgate(['explain', ...args])
    const code = await command.exit(30_000)
    return { code, out: command.stdout(), err: command.stderr() }
  }

  it('exits 0 for a token that would be exchanged, 1 for one that would be refused, and shows neither', async () => {
    const { folder, put } = prepare()
    const config = ['--config', join(folder, 'orders.yaml')]
    const good = await issuer.sign({ scope: 'orders:read' })
    const other = await issuer.sign({ scope: 'other' })
    const url = 'http://orders.test/orders/17'
    const first = await run(...config, '--token', put('good.jwt', `${good}\n`), 'GET', url)
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toContain('The token would be exchanged.\n')
    expect(first.out).toContain('subject_token: <subject token>\n')
    const second = await run(...config, '--token', put('other.jwt', other), '--json', 'GET', url)
    expect(second).toMatchObject({ code: 1, err: '' })
    expect(JSON.parse(second.out)).toMatchObject({
      conclusion: { would: 'refuse', refusal: { code: 'policy.scope_missing', status: 403 } },
      stages: { accept: { route: 'read' }, authorize: { outcome: 'refused' } },
    })
    for (const token of [good, other]) {
      for (const part of token.split('.')) expect(first.out + second.out).not.toContain(part)
    }
  })

  it('takes header fields, and goes on without the keys when it is told to', async () => {
    const { folder, put } = prepare()
    const forged = await (await createTestIssuer({ issuer: issuer.issuer })).sign({ tenant: 'blue' })
    const args = ['-c', join(folder, 'orders.yaml'), '--token', put('t.jwt', forged), '-H', 'X-Tenant: blue']
    const refused = await run(...args, 'GET', 'http://orders.test/mine')
    expect(refused.code).toBe(1)
    expect(refused.out).toContain('the signature does not verify')
    const unproven = await run(...args, '--no-verify', 'GET', 'http://orders.test/mine')
    expect(unproven.code).toBe(0)
    expect(unproven.out).toContain('  unproven: the signature of the token was not verified (--no-verify)\n')
  })

  it('exits 1 for files that cannot be used, and says which', async () => {
    const { folder, put } = prepare()
    const url = 'http://orders.test/orders/17'
    const noToken = await run(
      '-c',
      join(folder, 'orders.yaml'),
      '--token',
      join(folder, 'no.jwt'),
      'GET',
      url,
    )
    expect(noToken).toMatchObject({ code: 1, out: '' })
    expect(noToken.err).toContain('no.jwt: found a file that does not exist')
    const bad = await run('-c', put('bad.yaml', 'service: x\n'), 'GET', url)
    expect(bad).toMatchObject({ code: 1, out: '' })
    expect(bad.err).toContain('bad.yaml:1:1: ')
  })

  it.each([
    [['GET', 'http://orders.test/']],
    [['-c', 'x.yaml', 'GET']],
    [['-c', 'x.yaml', 'get', 'http://orders.test/']],
    [['-c', 'x.yaml', 'GET', '/orders/17']],
    [['-c', 'x.yaml', 'GET', 'http://orders.test/', '-H', 'no colon']],
    [['-c', 'x.yaml', 'GET', 'http://orders.test/', 'more']],
  ])('exits 2 and shows its usage for %j', async args => {
    const { code, err } = await run(...args)
    expect(code).toBe(2)
    expect(err).toContain('Usage: hopgate explain --config FILE')
  })
})
