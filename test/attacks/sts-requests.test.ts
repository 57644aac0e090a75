import { mkdtemp, rm } from 'node:fs/promises'
import { request as sendHttp } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { grantType, jwtBearerClientAssertion } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { type AuditLine, type RunningHub, startRunningHub } from '../support/running-hub.ts'
import {
  basic,
  billingSecret,
  decodeHeader,
  encodeForm,
  type FormParameters,
  formType,
  ordersSecret,
  type TokenAnswer,
} from '../support/token-service.ts'

// What `token-service.test.ts` asks of the function, asked of a whole hub over HTTP: one that two readers understand
// differently, one that lives too long, one kind of token in place of another, an answer that is kept, a token that can
// be guessed. Each attempt leaves one line in the hub's record; beside it stands the honest request, which works.

let folder: string
let hub: RunningHub
let seen: number
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hopgate-requests-'))
  hub = await startRunningHub({ folder })
  seen = 0
})
afterAll(async () => {
  await hub.hub.close()
  await rm(folder, { recursive: true, force: true })
})
afterEach(() => {
  const written = hub.audit() + hub.log.join()
  expect(written).not.toMatch(/eyJ[\w-]*\./)
  for (const secret of [ordersSecret, billingSecret, 'canary']) expect(written).not.toContain(secret)
})

const asBilling = basic('billing', billingSecret)
const authorization = basic('orders', ordersSecret)

/** The one event that the last request left. */
async function lastEvent(): Promise<AuditLine> {
  seen += 1
  const events = await hub.events(seen)
  expect(events).toHaveLength(seen)
  return events.at(-1) as AuditLine
}

async function expectRefused(
  answer: TokenAnswer,
  [status, error]: readonly [number, string],
  data: Record<string, unknown> = {},
): Promise<void> {
  expect(answer).toMatchObject({ status, json: { error } })
  expect(Object.keys(answer.json).sort()).toEqual(['error', 'error_description'])
  const event = await lastEvent()
  expect(event).toMatchObject({
    type: 'io.hopgate.token.refused.v1',
    data: { error, peer: '127.0.0.1', ...data },
  })
  expect(event.data).not.toHaveProperty('jti')
}

async function expectIssued(answer: TokenAnswer, data: Record<string, unknown> = {}): Promise<void> {
  expect(answer.json['error_description']).toBeUndefined()
  expect(answer.status).toBe(200)
  expect(await lastEvent()).toMatchObject({
    type: 'io.hopgate.token.issued.v1',
    data: { jti: answer.claims['jti'], exp: answer.claims['exp'], ...data },
  })
}

const invalidRequest = [400, 'invalid_request'] as const
const invalidTarget = [400, 'invalid_target'] as const

describe('H01: a request that two readers could understand differently', () => {
  let honest: Record<string, string>
  beforeEach(async () => {
    honest = {
      grant_type: grantType.tokenExchange,
      subject_token: await hub.subjectToken(),
      subject_token_type: tokenType.accessToken,
      requested_token_type: tokenType.accessToken,
      audience: 'orders-api',
      scope: 'orders:read',
    }
  })
  const required = ['grant_type', 'subject_token', 'subject_token_type']

  it.each(required)('H01 %s missing, or empty, which means the same', async name => {
    for (const value of [undefined, '']) {
      await expectRefused(await hub.post({ ...honest, [name]: value } as FormParameters), invalidRequest)
    }
    await expectIssued(await hub.post(honest))
  })

  it('H01 no target at all, by leaving it out or empty', async () => {
    const { audience: _, ...without } = honest
    for (const form of [without, { ...honest, audience: '' }, { ...without, resource: '' }]) {
      const answer = await hub.post(form)
      expect(answer.status).toBe(400)
      expect(answer.json['error']).toMatch(/^invalid_(request|target)$/)
      expect(await lastEvent()).toMatchObject({ data: { error: answer.json['error'] } })
    }
    await expectIssued(await hub.post(honest), { aud: 'orders-api' })
  })

  it.each([
    'grant_type',
    'subject_token',
    'subject_token_type',
    'requested_token_type',
    'scope',
    'actor_token',
    'actor_token_type',
    'client_id',
    'client_secret',
    'client_assertion',
    'exchange_mode',
    'request_context',
    'unheard_of',
  ])('H01 %s twice, though both are the same', async name => {
    const value = honest[name] ?? 'canary'
    const twice = await hub.post(
      `${encodeForm({ ...honest, [name]: undefined })}&${name}=${encodeURIComponent(value)}&${name}=${encodeURIComponent(value)}`,
    )
    await expectRefused(twice, invalidRequest)
    await expectIssued(await hub.post(honest))
  })

  it('H01 a name that is spelled with escapes, to hide that it is there twice', async () => {
    const other = await hub.subjectToken({ sub: 'admin' })
    const twice = `${encodeForm(honest)}&subject%5Ftoken=${other}`
    await expectRefused(await hub.post(twice), invalidRequest)
    const once = encodeForm(honest).replace('subject_token=', 'subject%5Ftoken=')
    await expectIssued(await hub.post(once), { subject_token: expect.objectContaining({ sub: 'alice' }) })
  })

  it('H01 an actor token without its type, and the type without the token', async () => {
    const actor_token = await hub.subjectToken({ sub: 'admin' })
    await expectRefused(await hub.post({ ...honest, actor_token }), invalidRequest)
    const actor_token_type = tokenType.accessToken
    await expectRefused(await hub.post({ ...honest, actor_token_type }), invalidRequest)
    await expectIssued(await hub.post(honest), { act: { sub: 'orders' } })
  })

  it.each([
    ['a requested type that nobody knows', { requested_token_type: 'urn:example:canary' }],
    ['a refresh token requested', { requested_token_type: tokenType.refreshToken }],
    ['a refresh token as the subject', { subject_token_type: tokenType.refreshToken }],
    ['an ID token as the subject', { subject_token_type: tokenType.idToken }],
    ['a SAML assertion as the subject', { subject_token_type: tokenType.saml2 }],
    ['a type in other letters', { subject_token_type: tokenType.accessToken.toUpperCase() }],
  ])('H01 %s', async (_, form) => {
    await expectRefused(await hub.post({ ...honest, ...form }), invalidRequest, { client_id: 'orders' })
    await expectIssued(await hub.post(honest))
  })

  it.each([
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=x',
    `${formType}; charset=utf-16`,
    `${formType};charset=latin1`,
    `${formType}, application/json`,
    '',
  ])('H01 a body as %j', async type => {
    const body = type === 'application/json' ? JSON.stringify(honest) : encodeForm(honest)
    await expectRefused(await hub.post(body, { authorization, 'content-type': type }), invalidRequest)
    for (const good of [formType, `${formType};charset=UTF-8`, `${formType}; charset="utf-8"`]) {
      await expectIssued(
        await hub.post(body.startsWith('{') ? encodeForm(honest) : body, {
          authorization,
          'content-type': good,
        }),
      )
    }
  })

  it('H01 parameters in the query', async () => {
    const { port } = new URL(hub.url)
    const path = '/sts/token?audience=billing'
    const answer = await send(Number(port), { method: 'POST', path }, encodeForm(honest))
    expect(answer.status).toBe(400)
    expect(await lastEvent()).toMatchObject({ data: { error: 'invalid_request' } })
    await expectIssued(await hub.post(honest), { aud: 'orders-api' })
  })

  it.each(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('H01 the method %s', async method => {
    const { port } = new URL(hub.url)
    const answer = await send(
      Number(port),
      { method, path: '/sts/token' },
      method === 'PUT' ? encodeForm(honest) : '',
    )
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'POST' } })
    await expectIssued(await hub.post(honest))
  })

  it.each([
    ['bytes that are no UTF-8', (form: string) => `${form}&x=%ff%fe`],
    ['a broken escape', (form: string) => `${form}&x=%zz`],
    ['more parameters than anybody needs', (form: string) => `${form}${'&x'.repeat(100)}`],
  ])('H01 %s', async (_, spoil) => {
    await expectRefused(await hub.post(spoil(encodeForm(honest))), invalidRequest)
    await expectIssued(await hub.post(honest))
  })

  it('H01 two targets, of which each could get what is meant for the other', async () => {
    const two = `${encodeForm(honest)}&audience=billing`
    await expectRefused(await hub.post(two), invalidTarget, { client_id: 'orders' })
    await expectIssued(await hub.post(honest), { aud: 'orders-api' })
  })
})

interface RawAnswer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
}

/** `fetch` sends neither every method nor a body with each. */
function send(
  port: number,
  options: { readonly method: string; readonly path: string },
  body: string,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': formType, authorization, 'content-length': Buffer.byteLength(body) }
    const outgoing = sendHttp({ host: '127.0.0.1', port, ...options, headers, agent: false }, answer => {
      answer.resume().on('end', () => resolve({ status: answer.statusCode, headers: answer.headers }))
    })
    outgoing.on('error', reject).end(body)
  })
}

describe('H05: a longer life', () => {
  it.each([
    ['the subject token', 20, 'orders-api', 20],
    ["the client's entry for the audience", 3_000, 'orders-api', 60],
    ['the service', 3_000, 'billing', 120],
  ])('H05 than %s allows', async (_, lifeSeconds, audience, most) => {
    const now = Math.floor(Date.now() / 1000)
    const subject_token = await hub.subjectToken({ exp: now + lifeSeconds })
    const answer = await hub.exchange({ subject_token, audience })
    await expectIssued(answer, { aud: audience })
    const { iat, exp } = answer.claims as { iat: number; exp: number }
    expect(exp - iat).toBeLessThanOrEqual(most)
    expect(exp).toBeLessThanOrEqual(now + lifeSeconds)
    expect(exp).toBeGreaterThan(now + most - 5)
    expect(answer.json['expires_in']).toBeLessThanOrEqual(exp - iat)
  })

  it('H05 by exchanging again and again', async () => {
    const end = Math.floor(Date.now() / 1000) + 30
    let subject_token = await hub.subjectToken({ exp: end })
    for (const [audience, by] of [
      ['billing', authorization],
      ['orders', asBilling],
      ['billing', authorization],
    ] as const) {
      const answer = await hub.exchange({ subject_token, audience }, by)
      await expectIssued(answer, { exp: end })
      subject_token = String(answer.json['access_token'])
    }
  })

  it('H05 by a subject token that has ended, by asking for it, or by one that lives for years', async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const times of [
      { iat: now - 100, exp: now - 6 },
      { iat: now - 100, exp: now - 1 },
      { exp: now + 10 * 365 * 86_400 },
    ]) {
      await expectRefused(
        await hub.exchange({ subject_token: await hub.subjectToken(times) }),
        invalidRequest,
      )
    }
    const asked = await hub.exchange({ expires_in: '86400', ttl: '86400', exp: String(now + 86_400) })
    await expectIssued(asked)
    expect(Number(asked.claims['exp'])).toBeLessThanOrEqual(now + 61)
  })
})

describe('H08: one kind of JWT in place of another', () => {
  it("H08 the hub's own access token as a client assertion", async () => {
    const own = await hub.exchange({ audience: 'billing' })
    await expectIssued(own)
    const form = {
      client_id: 'billing',
      client_assertion: String(own.json['access_token']),
      client_assertion_type: jwtBearerClientAssertion,
    }
    const body = encodeForm({ ...(await exchangeForm()), ...form })
    await expectRefused(await hub.post(body, {}), [401, 'invalid_client'])
    await expectIssued(await hub.exchange())
  })

  it('H08 a client assertion as a subject token, and as a bearer of its own', async () => {
    const now = Math.floor(Date.now() / 1000)
    const assertion = await hub.reports.sign(
      { sub: 'reports', aud: hub.issuer, iat: now, exp: now + 60 },
      { typ: 'client-authentication+jwt' },
    )
    await expectRefused(await hub.exchange({ subject_token: assertion }), invalidRequest, {
      client_id: 'orders',
    })
    await expectRefused(await hub.post(await exchangeForm(), { authorization: `Bearer ${assertion}` }), [
      401,
      'invalid_client',
    ])
    const twin = {
      ...(await exchangeForm()),
      client_assertion: assertion,
      client_assertion_type: jwtBearerClientAssertion,
    }
    await expectIssued(
      await hub.post(encodeForm({ ...twin, subject_token: await hub.subjectToken({ aud: 'reports' }) }), {}),
      { client_id: 'reports' },
    )
  })

  it.each([
    [
      'a logout token',
      { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
      'logout+jwt',
    ],
    ['a security event', { events: { 'urn:example:canary': {} } }, 'secevent+jwt'],
    ['a proof of possession', { htm: 'POST', htu: 'https://hub/token' }, 'dpop+jwt'],
    ['a Transaction Token', { txn: 't', rctx: {} }, 'txntoken+jwt'],
    ['an ID token', { nonce: 'n' }, 'JWT'],
    ['an introspection answer', { token_introspection: { active: true } }, 'token-introspection+jwt'],
    ['an assertion grant', {}, 'oauth-id-jag+jwt'],
    ['nothing that says what it is', {}, undefined],
  ])('H08 %s as an access token', async (_, claims, typ) => {
    const subject_token = await hub.subjectToken(claims, { typ })
    await expectRefused(await hub.exchange({ subject_token }), invalidRequest, { client_id: 'orders' })
    await expectIssued(await hub.exchange())
  })

  it('H08 a signed introspection answer of the hub itself as a subject token', async () => {
    const own = await hub.exchange({ audience: 'billing' })
    await expectIssued(own)
    const answer = await fetch(`${hub.url}/sts/introspect`, {
      method: 'POST',
      headers: { authorization: asBilling, accept: 'application/token-introspection+jwt' },
      body: new URLSearchParams({ token: String(own.json['access_token']) }),
    })
    const signed = await answer.text()
    expect(decodeHeader(signed)).toMatchObject({ typ: 'token-introspection+jwt' })
    await expectRefused(
      await hub.exchange({ subject_token: signed, audience: 'orders' }, asBilling),
      invalidRequest,
    )
    const subject_token = String(own.json['access_token'])
    await expectIssued(await hub.exchange({ subject_token, audience: 'orders' }, asBilling))
  })

  const exchangeForm = async () => ({
    grant_type: grantType.tokenExchange,
    subject_token: await hub.subjectToken(),
    subject_token_type: tokenType.accessToken,
    audience: 'orders-api',
  })
})

describe('H11: an answer that somebody else could read later', () => {
  it('H11 is never stored, and no web page may read it', async () => {
    const origin = { origin: 'https://evil.example.com' }
    const good = await hub.post(
      encodeForm({
        grant_type: grantType.tokenExchange,
        subject_token: await hub.subjectToken(),
        subject_token_type: tokenType.accessToken,
        audience: 'orders-api',
      }),
      { authorization, ...origin },
    )
    await expectIssued(good)
    const refused = await hub.post({ grant_type: 'canary' }, { authorization, ...origin })
    await expectRefused(refused, [400, 'unsupported_grant_type'])
    const stranger = await hub.post({ grant_type: 'canary' }, origin)
    await expectRefused(stranger, [401, 'invalid_client'])
    expect(stranger.headers['www-authenticate']).toMatch(/^Basic realm=/)
    for (const { headers } of [good, refused, stranger]) {
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        pragma: 'no-cache',
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
      })
      expect(Object.keys(headers).filter(name => name.startsWith('access-control-'))).toEqual([])
      expect(headers).not.toHaveProperty('set-cookie')
      expect(headers).not.toHaveProperty('etag')
    }
  })

  it('H11 is not announced to a page that asks beforehand', async () => {
    const preflight = await fetch(`${hub.url}/sts/token`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example.com', 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(405)
    expect([...preflight.headers.keys()].filter(name => name.startsWith('access-control-'))).toEqual([])
    await expectIssued(await hub.exchange())
  })

  it('H11 twin: what everybody may have may be kept, keys and metadata', async () => {
    for (const path of ['/sts/jwks', '/.well-known/oauth-authorization-server/sts']) {
      const { headers, status } = await fetch(`${hub.url}${path}`)
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toBe('public, max-age=300')
    }
  })
})

describe('H12: a token that can be guessed or read in two ways', () => {
  it('H12 has an unguessable id that is the one on record, and each another', async () => {
    const ids = new Set<unknown>()
    for (let i = 0; i < 50; i++) {
      const answer = await hub.exchange()
      await expectIssued(answer)
      ids.add(answer.claims['jti'])
    }
    expect(ids.size).toBe(50)
    for (const id of ids) expect(Buffer.from(String(id), 'base64url').length).toBeGreaterThanOrEqual(16)
    // 50 ids of 20 random bytes: no byte is the same in all of them.
    const bytes = [...ids].map(id => Buffer.from(String(id), 'base64url'))
    for (let at = 0; at < 20; at++) expect(new Set(bytes.map(id => id[at])).size).toBeGreaterThan(5)
  })

  it('H12 has whole seconds, the exact issuer, one audience as text, and says what it is', async () => {
    const subject_token = await hub.subjectToken({
      iat: Date.now() / 1000 - 0.5,
      exp: Date.now() / 1000 + 30.75,
      aud: ['orders', 'shop-web'],
    })
    const answer = await hub.exchange({ subject_token, scope: 'orders:read' })
    await expectIssued(answer, { aud: 'orders-api' })
    const { iat, exp, iss, aud, sub, client_id, scope } = answer.claims
    expect([iat, exp].every(Number.isInteger)).toBe(true)
    expect({ iss, aud, sub, client_id, scope }).toEqual({
      iss: hub.issuer,
      aud: 'orders-api',
      sub: 'alice',
      client_id: 'orders',
      scope: 'orders:read',
    })
    const { kid, ...header } = decodeHeader(String(answer.json['access_token']))
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt' })
    expect(kid).toMatch(/^[\w-]{43}$/)
  })
})
