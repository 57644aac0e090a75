import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { type Hub, startHub } from '../../src/assemble/hub.ts'
import { type Sidecar, startSidecar } from '../../src/assemble/sidecar.ts'
import { silentLog } from '../../src/base/log.ts'
import { approveCommand } from '../../src/cli/approve.ts'
import { formatProblems } from '../../src/config/config-problem.ts'
import { loadHubConfig, loadSidecarConfig } from '../../src/config/load.ts'
import { createReplay } from '../../src/review/replay/replay.ts'
import { createMemoryWriter } from '../support/memory-writer.ts'
import { parseTestPolicy } from '../support/policy.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { projectRoot } from '../support/source-files.ts'
import { type RecordedEvent, waitForEvent } from '../support/start-hop.ts'
import { decodeClaims } from '../support/token-service.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/**
 * A support case by hand, over three services: an agent with a case id works on an address of a user of their own tenant,
 * and can do nothing else. One policy, the one that ships as the example, is enforced by a hub and by every gate.
 */

interface Gate {
  readonly sidecar: Sidecar
  readonly upstream: Upstream
  readonly audit: ReturnType<typeof createMemoryWriter>
}

const folder = mkdtempSync(join(tmpdir(), 'hopgate-support-'))
const secrets = ['support-desk', 'storefront', 'orders', 'billing'] as const
let login: TestIssuer
let redis: TestRedis
let hub: Hub
let hubUrl: string
let hubAudit: string
const gates = new Map<string, Gate>()

beforeAll(async () => {
  login = await createTestIssuer({ issuer: 'https://login.test' })
  redis = await startRedis()
  const grace = await createTestIssuer({ kid: 'grace-1' })
  const example = readFileSync(join(projectRoot, 'config/policy.yaml'), 'utf8')
  const approver = `      keys:\n        - ${JSON.stringify(grace.jwk)}\n`
  write('policy.yaml', example.replace(/ {6}keys:\n {8}- \{ kty.*\n/, approver))
  write(
    'grace.jwk',
    JSON.stringify({ ...grace.privateKey.export({ format: 'jwk' }), alg: 'ES256', kid: 'grace-1' }),
  )
  await startTestHub()
  const atLogin = `{ issuer: '${login.issuer}', audience: [shop-web], keys: { inline: ${JSON.stringify(login.jwks)} } }`
  const atHub = (audience: string) =>
    `{ issuer: '${hubUrl}', audience: [${audience}], keys: { jwks_uri: '${hubUrl}/jwks' }, plaintext: true }`
  await startGate(
    'support-desk',
    [atLogin],
    [
      '{ path: /address, audience: support-api, scope: address:write }',
      '{ path: /refund, audience: support-api, scope: orders:refund }',
    ],
  )
  await startGate(
    'orders',
    [atLogin, atHub('support-api')],
    [
      '{ path: /address, audience: orders-api, scope: address:write }',
      '{ path: /refund, audience: orders-api, scope: orders:refund, require: { acr: mfa } }',
      '{ path: /orders, audience: orders-api, scope: orders:read }',
    ],
  )
  await startGate('billing', [atHub('orders-api')], ['{ path: /invoices, audience: billing-api }'])
  await startGate(
    'storefront',
    [atLogin],
    [
      '{ path: /view, audience: storefront-api, scope: orders:read, mode: impersonation }',
      '{ path: /orders, audience: storefront-api, scope: orders:read }',
    ],
  )
})

afterAll(async () => {
  await Promise.all([...gates.values()].map(({ sidecar }) => sidecar.close()))
  await Promise.all([...gates.values()].map(({ upstream }) => upstream.close()))
  await hub.close()
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

async function startTestHub(): Promise<void> {
  const port = await findFreePort()
  hubUrl = `http://127.0.0.1:${port}`
  hubAudit = join(folder, 'hub-audit.jsonl')
  write(
    'hub.yaml',
    `listen: 127.0.0.1:${port}
admin: 127.0.0.1:0
redis: '\${TEST_REDIS}'
policy: policy.yaml
environment: test
audit: { file: hub-audit.jsonl }
sts:
  issuer: ${hubUrl}
  issuers: [{ issuer: '${login.issuer}', audience: [shop-web], keys: { inline: ${JSON.stringify(login.jwks)} } }]
  clients:
${secrets.map(id => `    - { id: ${id}, secret: '\${TEST_SECRET}', accepts: [shop-web, support-api, orders-api] }`).join('\n')}
`,
  )
  process.env['TEST_REDIS'] = redis.url
  process.env['TEST_SECRET'] = 'a secret of the tests'
  const config = loadHubConfig(join(folder, 'hub.yaml'))
  if (!config.ok) throw new Error(formatProblems(config.error))
  hub = await startHub(config.value, { log: silentLog })
}

async function startGate(
  service: string,
  issuers: readonly string[],
  routes: readonly string[],
): Promise<void> {
  const upstream = await startUpstream()
  const audit = createMemoryWriter()
  write(
    `${service}.yaml`,
    `service: ${service}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
upstream: ${upstream.url}
policy: policy.yaml
environment: test
limits: { event_loop_delay: 60s }
context: { case_id: X-Case-Id, actor_token: X-Support-Token }
issuers:
${issuers.map(issuer => `  - ${issuer}`).join('\n')}
exchange: { server: '${hubUrl}', plaintext: true, client: { secret: '\${TEST_SECRET}' } }
cache: { redis: '\${TEST_REDIS}', prefix: '${redis.prefix}' }
routes:
${routes.map(route => `  - ${route}`).join('\n')}
`,
  )
  const config = loadSidecarConfig(join(folder, `${service}.yaml`))
  if (!config.ok) throw new Error(formatProblems(config.error))
  const sidecar = await startSidecar(config.value, { log: silentLog, auditWriter: audit })
  gates.set(service, { sidecar, upstream, audit })
}

function gate(service: string): Gate {
  const found = gates.get(service)
  if (found === undefined) throw new Error(`no gate ${service}`)
  return found
}

interface Sent {
  readonly status: number
  readonly challenge: string | null
  readonly event: RecordedEvent
  /** Claims of the token that the service got. */
  readonly claims: Readonly<Record<string, unknown>> | undefined
  readonly token: string | undefined
  readonly received: Upstream['requests'][number] | undefined
}

async function send(
  service: string,
  path: string,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Sent> {
  const { sidecar, upstream, audit } = gate(service)
  const before = upstream.requests.length
  const events = audit.lines.length
  const answer = await fetch(`${sidecar.url}${path}`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
  })
  await answer.text()
  const event = await waitForEvent(audit.lines, events)
  const received = upstream.requests[before]
  const sent = received?.header('authorization')?.slice('Bearer '.length)
  return {
    status: answer.status,
    challenge: answer.headers.get('www-authenticate'),
    event,
    token: sent,
    claims: sent === undefined ? undefined : decodeClaims(sent),
    received,
  }
}

const alice = { sub: 'alice', tenant: 'blue', scope: 'orders:read orders:refund address:write' }
const userToken = (claims: Record<string, unknown> = {}) => login.sign({ ...alice, ...claims })
const agentToken = (claims: Record<string, unknown> = {}) =>
  login.sign({ sub: 'agent-7', tenant: 'blue', roles: ['support'], client_id: 'desk', ...claims })
const inCase = async (claims: Record<string, unknown> = {}) => ({
  'x-support-token': await agentToken(claims),
  'x-case-id': 'CASE-1042',
})

function hubEvents(): readonly Record<string, unknown>[] {
  return readFileSync(hubAudit, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).data as Record<string, unknown>)
}

describe('an agent with a case id', () => {
  it('resets an address in their own tenant, and every service on the way knows who did it for whom', async () => {
    const atDesk = await send('support-desk', '/address', await userToken(), await inCase())
    expect(atDesk).toMatchObject({
      status: 200,
      claims: {
        sub: 'alice',
        aud: 'support-api',
        scope: 'address:write',
        case_id: 'CASE-1042',
        tenant: 'blue',
        act: { sub: 'agent-7', iss: login.issuer, roles: ['support'], tenant: 'blue' },
      },
      event: {
        case_id: 'CASE-1042',
        person: { iss: login.issuer, sub: 'agent-7' },
        decision: { rule: 'support-within-tenant', effect: 'permit', mode: 'delegation' },
      },
    })
    const { exp, iat } = atDesk.claims as { exp: number; iat: number }
    expect(exp - iat).toBeLessThanOrEqual(60)
    expect(atDesk.received?.headerAll('x-support-token')).toEqual([])

    const atOrders = await send('orders', '/address', atDesk.token ?? '')
    expect(atOrders).toMatchObject({
      status: 200,
      claims: {
        sub: 'alice',
        aud: 'orders-api',
        scope: 'address:write',
        case_id: 'CASE-1042',
        act: { sub: 'orders', act: { sub: 'agent-7' } },
      },
      event: { decision: { rule: 'support-within-tenant' } },
    })

    const atBilling = await send('billing', '/invoices', atOrders.token ?? '')
    expect(atBilling).toMatchObject({
      status: 200,
      claims: { sub: 'alice', aud: 'billing-api', act: { sub: 'billing', act: { sub: 'orders' } } },
      event: { decision: { rule: 'own-audience' } },
    })
    expect(atBilling.claims?.['txn']).toBe(atDesk.claims?.['txn'])

    const ofTheCase = () => hubEvents().find(({ case_id: caseId }) => caseId === 'CASE-1042')
    await expect.poll(ofTheCase).toMatchObject({
      client_id: 'support-desk',
      person: { sub: 'agent-7' },
      decision: { rule: 'support-within-tenant', effect: 'permit', mode: 'delegation' },
    })
  })

  it.each([
    ['in another tenant', () => inCase({ tenant: 'red' }), "the subject's tenant"],
    ['without the role', () => inCase({ roles: ['sales'] }), "the actor's role"],
    ['without the case id', async () => ({ 'x-support-token': await agentToken() }), 'a case id'],
    [
      'with a case id of another form',
      async () => ({ 'x-support-token': await agentToken(), 'x-case-id': 'INC-1' }),
      'a case id of the right form',
    ],
  ])('cannot do the same %s', async (_, headers, lack) => {
    expect(await send('support-desk', '/address', await userToken(), await headers())).toMatchObject({
      status: 403,
      received: undefined,
      event: {
        refusal: 'policy.denied',
        detail: `rule support-within-tenant came closest; it lacks ${lack}`,
        decision: { rule: 'support-within-tenant', effect: 'deny' },
      },
    })
  })

  it('cannot do a refund, at any service', async () => {
    for (const service of ['support-desk', 'orders']) {
      const refused = await send(service, '/refund', await userToken({ acr: 'mfa' }), await inCase())
      expect(refused).toMatchObject({ status: 403, received: undefined, event: { refusal: 'policy.denied' } })
    }
  })

  it('is nobody in a header that is not declared', async () => {
    const { 'x-support-token': token, ...caseId } = await inCase()
    const refused = await send('support-desk', '/address', await userToken(), {
      ...caseId,
      'x-actor-token': token,
    })
    // Without an actor it is the user's own request, which the desk's own rule permits.
    expect(refused).toMatchObject({
      status: 200,
      claims: { act: { sub: 'support-desk' } },
      event: { decision: { rule: 'own-audience' } },
    })
    expect(refused.event['person']).toBeUndefined()
  })

  it('must have a token that stands by itself', async () => {
    const stranger = await createTestIssuer({ issuer: 'https://elsewhere.test' })
    const forged = await stranger.sign({
      iss: login.issuer,
      sub: 'agent-7',
      tenant: 'blue',
      roles: ['support'],
    })
    for (const token of [forged, await agentToken({ exp: 1 }), await agentToken({ aud: 'other' })]) {
      const headers = { 'x-support-token': token, 'x-case-id': 'CASE-1042' }
      expect(await send('support-desk', '/address', await userToken(), headers)).toMatchObject({
        status: 401,
        received: undefined,
        event: { refusal: 'token.invalid', detail: expect.stringMatching(/^actor token: /) },
      })
    }
  })

  it('cannot act with the token of the subject, nor as a machine', async () => {
    const own = { 'x-support-token': await userToken({ roles: ['support'] }), 'x-case-id': 'CASE-1042' }
    expect(await send('support-desk', '/address', await userToken(), own)).toMatchObject({
      status: 403,
      event: { detail: 'nobody acts for themselves' },
    })
    expect(
      await send(
        'support-desk',
        '/address',
        await userToken(),
        await inCase({ sub: 'bot', client_id: 'bot' }),
      ),
    ).toMatchObject({ status: 403, event: { detail: 'a machine is no person who acts' } })
  })

  it('is not given what another agent got: the cache knows them apart', async () => {
    const subject = await userToken()
    const first = await send('support-desk', '/address', subject, await inCase())
    const second = await send('support-desk', '/address', subject, await inCase({ sub: 'agent-8' }))
    const other = await send('support-desk', '/address', subject, {
      ...(await inCase()),
      'x-case-id': 'CASE-2000',
    })
    expect(first.claims).toMatchObject({ act: { sub: 'agent-7' }, case_id: 'CASE-1042' })
    expect(second.claims).toMatchObject({ act: { sub: 'agent-8' }, case_id: 'CASE-1042' })
    expect(other.claims).toMatchObject({ act: { sub: 'agent-7' }, case_id: 'CASE-2000' })
  })
})

describe('a refund on behalf of a user', () => {
  const lead = async () => ({
    'x-support-token': await agentToken({
      sub: 'lead-1',
      roles: ['support-lead'],
      acr: 'mfa',
      auth_time: Math.floor(Date.now() / 1000) - 60,
    }),
    'x-case-id': 'CASE-3000',
  })
  const subject = () => userToken({ acr: 'mfa' })

  async function approve(...more: string[]): Promise<{ readonly code: number; readonly text: string }> {
    let text = ''
    const stream = { write: (line: string) => (text += line) }
    const code = await approveCommand(
      [
        ...['--config', join(folder, 'orders.yaml'), '--approver', 'grace', '--case', 'CASE-3000'],
        ...['--audience', 'orders-api', '--subject', 'alice', '--issuer', login.issuer],
        ...(more.includes('--actor') ? [] : ['--actor', 'lead-1']),
        ...(more.includes('--scope') || more.includes('--withdraw') ? [] : ['--scope', 'orders:refund']),
        ...more,
      ],
      { stdout: stream, stderr: stream } as unknown as Parameters<typeof approveCommand>[1],
    )
    return { code, text }
  }

  it('takes a login that is strong and recent, and then a second person', async () => {
    const weak = {
      ...(await lead()),
      'x-support-token': await agentToken({ sub: 'lead-1', roles: ['support-lead'] }),
    }
    const challenged = await send('orders', '/refund', await subject(), weak)
    expect(challenged).toMatchObject({ status: 401, event: { refusal: 'token.step_up' } })
    expect(challenged.challenge).toContain('error="insufficient_user_authentication"')
    expect(challenged.challenge).toContain('acr_values="mfa"')

    const alone = await send('orders', '/refund', await subject(), await lead())
    expect(alone).toMatchObject({
      status: 403,
      event: { detail: 'rule refund-with-approval came closest; it lacks an approval' },
    })
    const key = ['--key', join(folder, 'grace.jwk')]
    expect(await approve(...key, '--actor', 'lead-2')).toMatchObject({ code: 0 })
    expect(await send('orders', '/refund', await subject(), await lead())).toMatchObject({ status: 403 })

    const otherMode = await approve(...key, '--for', '2m', '--mode', 'impersonation')
    expect(otherMode.text).toContain('no rule asks grace for an approval of impersonation into orders-api')
    const other = await approve(...key, '--for', '2m', '--scope', 'orders:read')
    expect(other.text).toContain('no rule that asks for this approval permits orders:read')
    expect(await approve(...key, '--for', '2m', '--scope', '')).toMatchObject({ code: 0 })
    expect(await send('orders', '/refund', await subject(), await lead())).toMatchObject({ status: 403 })
    expect(await approve(...key, '--for', '2m')).toMatchObject({ code: 0 })
    const done = await send('orders', '/refund', await subject(), await lead())
    expect(done).toMatchObject({
      status: 200,
      claims: { aud: 'orders-api', scope: 'orders:refund', act: { sub: 'lead-1' } },
      event: { decision: { rule: 'refund-with-approval', approver: 'grace' } },
    })
    await expect
      .poll(() => hubEvents().at(-1))
      .toMatchObject({
        decision: { rule: 'refund-with-approval', approver: 'grace' },
      })

    expect(await approve('--withdraw')).toEqual({ code: 0, text: 'withdrawn\n' })
    expect(await send('orders', '/refund', await subject(), await lead())).toMatchObject({ status: 403 })
  })

  it('cannot be approved by the one who does it, by a stranger, or with another key', async () => {
    const key = ['--key', join(folder, 'grace.jwk')]
    const other = await createTestIssuer({ kid: 'grace-1' })
    write(
      'other.jwk',
      JSON.stringify({ ...other.privateKey.export({ format: 'jwk' }), alg: 'ES256', kid: 'grace-1' }),
    )
    expect(await approve(...key, '--actor', 'grace')).toMatchObject({ code: 1 })
    expect(await approve(...key, '--approver', 'mallory')).toMatchObject({ code: 1 })
    expect(await approve(...key, '--audience', 'billing-api')).toMatchObject({ code: 1 })
    const wrongKey = await approve('--key', join(folder, 'other.jwk'))
    expect(wrongKey).toMatchObject({ code: 1 })
    expect(wrongKey.text).toContain('the key is not one that the policy has for grace')
  })
})

describe('a look through the eyes of a user', () => {
  it('is labelled, short, and names nobody in act', async () => {
    const hours = new Intl.DateTimeFormat('en-GB', {
      timeZone: 'Europe/Berlin',
      hour: '2-digit',
      weekday: 'short',
    })
    const parts = Object.fromEntries(hours.formatToParts(new Date()).map(({ type, value }) => [type, value]))
    const isOpen =
      !/^S/.test(parts['weekday'] ?? '') && Number(parts['hour']) >= 8 && Number(parts['hour']) < 18
    const looked = await send(
      'storefront',
      '/view',
      await userToken(),
      await inCase({ roles: ['support-lead'] }),
    )
    if (!isOpen) {
      expect(looked).toMatchObject({
        status: 403,
        event: { detail: 'rule view-as-user came closest; it lacks business hours' },
      })
      return
    }
    expect(looked).toMatchObject({
      status: 200,
      claims: { sub: 'alice', impersonator: { sub: 'agent-7', iss: login.issuer, client_id: 'storefront' } },
      event: { decision: { rule: 'view-as-user', mode: 'impersonation' } },
    })
    expect(looked.claims).not.toHaveProperty('act')
  })

  it('is not there for the user themselves, nor for support', async () => {
    for (const headers of [{}, await inCase()]) {
      expect(await send('storefront', '/view', await userToken(), headers)).toMatchObject({
        status: 403,
        received: undefined,
        event: { refusal: 'policy.denied', decision: { effect: 'deny' } },
      })
    }
  })
})

describe('the record of all this', () => {
  /** What another policy makes of the hops and exchanges so far. */
  function replay(change: (policy: string) => string) {
    const text = change(readFileSync(join(folder, 'policy.yaml'), 'utf8'))
    const asked = createReplay(parseTestPolicy(text, join(folder, 'policy.yaml')))
    const lines = [...gates.values()].flatMap(({ audit }) => audit.lines)
    const all = [...lines, ...readFileSync(hubAudit, 'utf8').trim().split('\n')]
    for (const [index, line] of all.entries()) asked.take('audit', index + 1, line)
    return asked.report()
  }

  it('holds enough to ask the same policy again, and another one', () => {
    const same = replay(policy => policy)
    expect(same.counts.otherwise).toBe(0)
    expect(same.counts['as-before']).toBeGreaterThan(20)
    // Left open: what was refused before any rule was asked, whether there was an approval where none is on record, and whether
    // an approver was among those who acted before.
    const open = same.groups.filter(({ comparison }) => comparison === 'undecidable')
    for (const { reason } of open)
      expect(reason).toMatch(/^it depends on (the approval|audience and scope|server|the subject's token)$/)

    const stricter = replay(policy =>
      policy.replace('roles: [support], tenant: as-subject', 'roles: [nobody], tenant: as-subject'),
    )
    const changed = stricter.groups.filter(({ comparison }) => comparison === 'otherwise')
    expect(changed.length).toBeGreaterThan(0)
    for (const group of changed) expect(group).toMatchObject({ before: 'permit by support-within-tenant' })
  })
})
