import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ReceivedTokenRequest,
  startAuthorizationServer,
  type TestAuthorizationServer,
} from '../support/authorization-server.ts'
import { requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'

/**
 * RFC 7662 as the protected resource sees it, and RFC 9701 likewise: what the sidecar asks an issuer, and what it makes
 * of the answer. The issuer is found by its metadata. rfc7662.test.ts has the other half.
 */

let server: TestAuthorizationServer
let hop: RunningHop
let serial = 0

beforeAll(async () => {
  server = await startAuthorizationServer()
  const client = `{ id: "orders:rs", secret: "\${TEST_SECRET}" }`
  const introspection = `{ client: ${client}, cache: 0s, negative: 0s }`
  hop = await startHop({
    exchange: `{ server: '${server.issuer}', client: { secret: "\${TEST_SECRET}" } }`,
    issuerRules: `  - { issuer: '${server.issuer}', audience: [shop-web], introspection: ${introspection} }`,
    routes: '  - { path: /**, audience: orders-api, scope: orders:read, verify: introspection }',
  })
})

afterAll(async () => {
  await hop.close()
  await server.close()
})

const active = (members: Record<string, unknown> = {}) => ({
  active: true,
  sub: 'alice',
  aud: 'shop-web',
  scope: 'orders:read',
  token_type: 'Bearer',
  exp: Math.floor(Date.now() / 1000) + 300,
  ...members,
})

beforeEach(() => server.onIntrospect(() => ({ body: active() })))

async function present(token = `opaque-${serial++}`) {
  const answer = await requestRaw(
    hop.port,
    `GET /orders/1 HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  return { status: answer.status, challenge: answer.header('www-authenticate') }
}

const invalid = { status: 401, challenge: 'Bearer realm="orders", error="invalid_token"' }
const asked = (): ReceivedTokenRequest => server.introspectionRequests.at(-1) as ReceivedTokenRequest

describe('RFC 7662 at a protected resource', () => {
  it('§2.1 asks by POST, with the token and a hint in a form', async () => {
    expect(await present('mF_9.B5f-4.1JqM+/~==')).toMatchObject({ status: 200 })
    expect(asked().headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    })
    expect(Object.fromEntries(asked().form)).toEqual({
      token: 'mF_9.B5f-4.1JqM+/~==',
      token_type_hint: 'access_token',
    })
  })

  it('§2.1 authenticates, by the form-encoded halves of RFC 6749 §2.3.1', async () => {
    await present()
    expect(asked().headers.authorization).toBe(`Basic ${btoa('orders%3Ars:test-secret')}`)
  })

  it('§2.2 takes a token that is active, and knows it by the members of the answer', async () => {
    expect(await present()).toMatchObject({ status: 200 })
    server.onIntrospect(() => ({ body: active({ scope: 'orders:list' }) }))
    expect(await present()).toMatchObject({
      status: 403,
      challenge: 'Bearer realm="orders", error="insufficient_scope", scope="orders:read"',
    })
  })

  it('§2.2 passes over members that it does not know', async () => {
    server.onIntrospect(() => ({ body: active({ username: 'alice', extension_field: { a: [1] } }) }))
    expect(await present()).toMatchObject({ status: 200 })
  })

  it('§2.2 refuses a token that is not active, whatever else the answer says', async () => {
    server.onIntrospect(() => ({ body: active({ active: false }) }))
    expect(await present()).toEqual(invalid)
  })

  it('§2.2 takes an answer without a boolean active for no answer', async () => {
    for (const value of ['true', 1, null, undefined]) {
      server.onIntrospect(() => ({ body: active({ active: value }) }))
      expect(await present()).toEqual({ status: 503, challenge: undefined })
    }
  })

  it('§2.3 takes an error for no answer: it is about us, and not about the token', async () => {
    for (const status of [400, 401, 403, 500, 503]) {
      server.onIntrospect(() => ({ status, body: { error: 'invalid_client' } }))
      expect(await present()).toEqual({ status: 503, challenge: undefined })
    }
  })

  it('§4 refuses what is not for this resource, has ended, or has not begun', async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const members of [
      { aud: 'other' },
      { exp: now - 60 },
      { nbf: now + 60 },
      { iss: 'https://other.test' },
    ]) {
      server.onIntrospect(() => ({ body: active(members) }))
      expect(await present()).toEqual(invalid)
    }
  })

  it('§4 asks again each time where nothing may be remembered', async () => {
    const before = server.introspectionRequests.length
    expect(await present('same')).toMatchObject({ status: 200 })
    server.onIntrospect(() => ({ body: { active: false } }))
    expect(await present('same')).toEqual(invalid)
    expect(server.introspectionRequests.length).toBe(before + 2)
  })
})

describe('RFC 9701 at a protected resource', () => {
  const answerSigned = (claims: Record<string, unknown>, typ = 'token-introspection+jwt') =>
    server.onIntrospect(async () => {
      const none = { sub: undefined, client_id: undefined, scope: undefined, exp: undefined, jti: undefined }
      const body = await server.signer.sign({ ...none, aud: 'orders:rs', ...claims }, { typ })
      return { headers: { 'content-type': 'application/token-introspection+jwt' }, body }
    })

  it('§5 takes an answer that the issuer signed for it', async () => {
    answerSigned({ token_introspection: active() })
    expect(await present()).toMatchObject({ status: 200 })
    answerSigned({ token_introspection: { active: false } })
    expect(await present()).toEqual(invalid)
  })

  it('§5 takes one of another type, issuer, audience or time for no answer', async () => {
    const token_introspection = active()
    const other = { status: 503, challenge: undefined }
    answerSigned({ token_introspection }, 'at+jwt')
    expect(await present()).toEqual(other)
    for (const claims of [{ iss: 'https://other.test' }, { aud: 'other' }, { iat: 1 }, { iat: undefined }]) {
      answerSigned({ token_introspection, ...claims })
      expect(await present()).toEqual(other)
    }
  })

  it('§8.1 takes such an answer for no access token', async () => {
    const answer = await server.signer.sign(
      { aud: 'shop-web', token_introspection: active() },
      { typ: 'token-introspection+jwt' },
    )
    expect(await present(answer)).toEqual(invalid)
    const untyped = await server.signer.sign({ token_introspection: active() }, { typ: 'JWT' })
    expect(await present(untyped)).toEqual(invalid)
  })
})
