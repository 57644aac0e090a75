import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { type RunningHubs, startHubs } from '../support/start-hub.ts'
import { basic, billingSecret, encodeForm, formType, ordersSecret } from '../support/token-service.ts'

/** A sidecar that asks the hub about the tokens that the hub itself issued: a revocation there is felt here. */

let hubs: RunningHubs
let plain: RunningHop
let signed: RunningHop

beforeAll(async () => {
  vi.stubEnv('BILLING_SECRET', billingSecret)
  hubs = await startHubs()
  const start = (isSigned: boolean) => {
    const client = `{ id: billing, authentication: client_secret_post, secret: "\${BILLING_SECRET}" }`
    const introspection = `{ client: ${client}, signed: ${isSigned}, cache: 0s, negative: 0s }`
    return startHop({
      issuerRules: `  - { issuer: '${hubs.issuer}', audience: [billing], introspection: ${introspection} }`,
      routes: ['jwt', 'introspection', 'both']
        .map(way => `  - { path: /${way}/**, audience: ledger, scope: orders:read, verify: ${way} }`)
        .join('\n'),
    })
  }
  ;[plain, signed] = await Promise.all([start(false), start(true)])
})

afterAll(async () => {
  vi.unstubAllEnvs()
  await Promise.all([plain.close(), signed.close()])
  await hubs.close()
})

async function post(path: string, form: Record<string, string>): Promise<Record<string, unknown>> {
  const response = await fetch(`${hubs.issuer}/${path}`, {
    method: 'POST',
    headers: { 'content-type': formType, authorization: basic('orders', ordersSecret) },
    body: encodeForm(form),
  })
  expect(response.status).toBe(200)
  const text = await response.text()
  return text === '' ? {} : JSON.parse(text)
}

async function issue(): Promise<string> {
  const answer = await post('token', {
    grant_type: grantType.tokenExchange,
    subject_token: await hubs.login.sign({ aud: 'orders', scope: 'orders:read' }),
    subject_token_type: tokenType.accessToken,
    audience: 'billing',
    scope: 'orders:read',
  })
  return String(answer['access_token'])
}

async function statusOf(hop: RunningHop, way: string, token: string): Promise<number> {
  const answer = await requestRaw(
    hop.port,
    `GET /${way}/1 HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  return answer.status
}

describe.each([
  ['plain', () => plain],
  ['signed', () => signed],
] as const)('a token of the hub, by its %s answers', (_, hopOf) => {
  it('passes however it is verified, until it is revoked at the hub', async () => {
    const token = await issue()
    for (const way of ['jwt', 'introspection', 'both']) expect(await statusOf(hopOf(), way, token)).toBe(200)
    await post('revoke', { token })
    expect(await statusOf(hopOf(), 'introspection', token)).toBe(401)
    expect(await statusOf(hopOf(), 'both', token)).toBe(401)
    // Who asks nobody cannot know.
    expect(await statusOf(hopOf(), 'jwt', token)).toBe(200)
  })
})
