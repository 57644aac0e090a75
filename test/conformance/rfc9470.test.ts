import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { TestAuthorizationServer } from '../support/authorization-server.ts'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import { requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { response } from '../support/upstream.ts'

/** RFC 9470, seen from outside: what the caller is told, and what the upstream got. */

let server: TestAuthorizationServer
let hop: RunningHop

beforeAll(async () => {
  server = await startAuthorizationServer()
  const client = `{ authentication: client_secret_basic, secret: '\${TEST_SECRET}' }`
  hop = await startHop({
    exchange: `{ server: '${server.issuer}', client: ${client} }`,
    routes: `
  - { path: /orders/**, audience: orders-api }
  - { path: /acr/**, audience: orders-api, require: { acr: [urn:x:loa:3, mfa] } }
  - { path: /age/**, audience: orders-api, require: { max_age: 5m } }
  - { path: /both/**, audience: orders-api, require: { acr: mfa, max_age: 5m } }
`,
  })
})

afterAll(async () => {
  await hop.close()
  await server.close()
})

afterEach(() => {
  hop.upstream.clear()
  hop.upstream.answerWith(response(200, 'ok'))
  server.onTokenIssue({})
})

const now = () => Math.floor(Date.now() / 1000)

async function get(path: string, claims: Record<string, unknown> = {}) {
  const token = await hop.issuer.sign(claims)
  const answer = await requestRaw(
    hop.port,
    `GET ${path} HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  return { status: answer.status, challenge: answer.header('www-authenticate'), answer }
}

const weak = 'Bearer realm="orders", error="insufficient_user_authentication"'

describe('RFC 9470', () => {
  it('§3 answers 401 with the error, and with acr_values in the order of preference', async () => {
    const { status, challenge, answer } = await get('/acr/1', { acr: 'pwd' })
    expect({ status, challenge }).toEqual({ status: 401, challenge: `${weak}, acr_values="urn:x:loa:3 mfa"` })
    expect(answer.header('cache-control')).toBe('no-store')
    expect(hop.upstream.requests).toEqual([])
    expect(await get('/acr/1', { acr: 'mfa' })).toMatchObject({ status: 200 })
  })

  it('§3 names max_age in seconds', async () => {
    expect(await get('/age/1', { auth_time: now() - 400 })).toMatchObject({
      status: 401,
      challenge: `${weak}, max_age="300"`,
    })
    expect(await get('/age/1', { auth_time: now() - 200 })).toMatchObject({ status: 200 })
  })

  it('§3 names both where both are needed, whichever is missing', async () => {
    const challenge = `${weak}, acr_values="mfa", max_age="300"`
    const lately = now() - 10
    expect(await get('/both/1', { acr: 'mfa' })).toMatchObject({ status: 401, challenge })
    expect(await get('/both/1', { auth_time: lately })).toMatchObject({ status: 401, challenge })
    expect(await get('/both/1', { acr: 'mfa', auth_time: lately })).toMatchObject({ status: 200 })
  })

  it('§3 has another answer for a token that is no good at all', async () => {
    const challenge = 'Bearer realm="orders", error="invalid_token"'
    expect(await get('/both/1', { exp: now() - 400 })).toMatchObject({ status: 401, challenge })
  })

  it('§5 relays what the authorization server wants before it issues', async () => {
    server.onToken(() => ({
      status: 400,
      body: { error: 'insufficient_user_authentication', acr_values: 'urn:x:loa:3 mfa', max_age: 60 },
    }))
    expect(await get('/orders/1')).toMatchObject({
      status: 401,
      challenge: `${weak}, acr_values="urn:x:loa:3 mfa", max_age="60"`,
    })
    expect(hop.upstream.requests).toEqual([])
  })

  it('§6 looks at acr and auth_time of the token that was presented', async () => {
    expect(await get('/both/1', { amr: ['mfa'], iat: now() })).toMatchObject({ status: 401 })
    expect(await get('/both/1', { acr: 'mfa', auth_time: String(now()) })).toMatchObject({ status: 401 })
  })

  it("passes a step-up challenge of the upstream on, whose token's user is the caller's user", async () => {
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="hwk"'
    hop.upstream.answerWith(response(401, '', { 'WWW-Authenticate': challenge }))
    expect(await get('/orders/1')).toMatchObject({ status: 401, challenge })
  })
})
