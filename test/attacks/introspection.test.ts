import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AttackedHop, type Denial, invalidToken, startAttackedHop } from '../support/attacked-hop.ts'
import type { TokenScript } from '../support/authorization-server.ts'
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts'

/**
 * Tokens that say nothing by themselves, and an issuer that is asked about them and answers oddly: out of carelessness,
 * under load, or because it was taken over. Only an answer whose `active` is true, about a token for this service, lets
 * anything pass; nothing lets a token pass that the issuer no longer calls active, whatever else is remembered of it;
 * and an issuer that does not answer makes nobody's token bad.
 */

let hop: AttackedHop
let clock: FakeClock

beforeAll(async () => {
  clock = createFakeClock(Math.floor(Date.now() / 1000))
  hop = await startAttackedHop(({ issuer }) => {
    const client = `{ id: orders-rs, secret: '\${TEST_SECRET}' }`
    const keys = `endpoint: '${issuer}/introspect', client: ${client}, cache: 5s, negative: 3s`
    return {
      clock,
      issuerRules: `    introspection: { ${keys} }`,
      routes: ['jwt', 'introspection', 'both'].map(routeOf).join('\n'),
    }
  })
})

afterAll(() => hop.close())

function routeOf(way: string): string {
  return `  - { path: /${way}/**, audience: orders-api, scope: orders:read, verify: ${way} }`
}

const active = (members: Record<string, unknown> = {}) => ({
  active: true,
  sub: 'anybody',
  aud: 'shop-web',
  client_id: 'shop-web',
  scope: 'orders:read',
  token_type: 'Bearer',
  exp: Math.floor(clock.now()) + 300,
  ...members,
})

const unavailable: Denial = { code: 'token.introspection_unavailable', status: 503 }
const newToken = () => randomBytes(32).toString('base64url')

/** Tokens that the issuer calls active, with what it says of them; of every other it says no. */
const issued = new Map<string, Record<string, unknown>>()
const byTheBook = () =>
  hop.server.onIntrospect(({ form }) => ({ body: issued.get(form.get('token') ?? '') ?? { active: false } }))

function issue(members: Record<string, unknown> = {}): string {
  const token = newToken()
  issued.set(token, active(members))
  return token
}

beforeEach(byTheBook)

describe('B15 opaque tokens', () => {
  it('B15 pass where the issuer is asked, and nowhere else', async () => {
    const token = issue()
    await hop.expectForwarded(token, '/introspection/1')
    await hop.expectDenied(token, invalidToken, '/jwt/1')
    await hop.expectDenied(token, invalidToken, '/both/1')
  })

  it('B15 are the subject token of the exchange as access tokens, as they are', async () => {
    const token = issue()
    const before = hop.server.tokenRequests.length
    await hop.expectForwarded(token, '/introspection/1')
    expect(Object.fromEntries(hop.server.tokenRequests[before]?.form ?? [])).toMatchObject({
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    })
  })

  it.each<[string, TokenScript, Denial]>([
    ['active "true"', { body: '{"active":"true"}' }, unavailable],
    ['active 1', { body: '{"active":1}' }, unavailable],
    ['nothing', { body: '{}' }, unavailable],
    ['HTML', { headers: { 'content-type': 'text/html' }, body: '<html>active: true</html>' }, unavailable],
    ['active false, then true', { body: '{"active":false,"active":true}' }, unavailable],
    ['a redirect', { status: 307, headers: { location: '/token' } }, unavailable],
    ['a server error that says active', { status: 500, body: { active: true, sub: 'anybody' } }, unavailable],
    ['401: our own credentials are not good', { status: 401, body: { active: false } }, unavailable],
    ['ten megabytes', { body: `{"active":true,"x":"${'x'.repeat(10_000_000)}"}` }, unavailable],
    ['a connection that breaks', response => response.destroy(), unavailable],
    ['active false', { body: '{"active":false}' }, invalidToken],
  ])('B15 do not pass when the answer is %s', async (_, script, denial) => {
    hop.server.onIntrospect(() => script)
    const token = newToken()
    await hop.expectDenied(token, denial, '/introspection/1')
    issued.set(token, active())
    byTheBook()
    if (denial === invalidToken) clock.advanceMs(3_000)
    await hop.expectForwarded(token, '/introspection/1')
  })

  it.each<[string, Record<string, unknown>]>([
    ['for another audience', { aud: 'other' }],
    ['for nobody', { aud: undefined }],
    ['of another issuer', { iss: 'https://evil.test' }],
    ['that ended', { exp: Math.floor(Date.now() / 1000) - 60 }],
    ['without an end', { exp: undefined }],
    ['that begins later', { nbf: Math.floor(Date.now() / 1000) + 200 }],
    ['bound to a certificate', { cnf: { 'x5t#S256': 'x' } }],
    ['of the DPoP type', { token_type: 'DPoP' }],
    ['without a type, as refresh tokens have none', { token_type: undefined }],
    ['that is used to refresh', { token_use: 'refresh_token' }],
    ['of nobody', { sub: undefined }],
    ['of a subject that is no text', { sub: { admin: true } }],
  ])('B15 do not pass because they are active, %s', async (_, members) => {
    await hop.expectDenied(issue(members), invalidToken, '/introspection/1')
    await hop.expectForwarded(issue(), '/introspection/1')
  })

  it('B15 are not in the record because the issuer names them by themselves', async () => {
    const token = newToken()
    issued.set(token, active({ jti: token }))
    await hop.expectForwarded(token, '/introspection/1')
    for (const member of ['sub', 'client_id', 'scope']) {
      const other = newToken()
      issued.set(other, active({ [member]: other }))
      await hop.expectDenied(other, invalidToken, '/introspection/1')
    }
    expect(hop.lines.join('\n')).not.toContain(token.slice(0, 16))
  })

  it("B15 are nobody's business but the issuer's: neither token nor credentials in any line", async () => {
    const token = issue({ aud: 'other' })
    await hop.expectDenied(token, invalidToken, '/introspection/1')
    hop.server.onIntrospect(({ form }) => ({ body: { active: form.get('token') } }))
    const other = newToken()
    await hop.expectDenied(other, unavailable, '/introspection/1')
    const lines = [...hop.lines, ...hop.log].join('\n')
    for (const secret of [token, other, 'test-secret']) expect(lines).not.toContain(secret)
  })
})

describe('C16 truncated opaque tokens', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'C16 with %i characters cut off or added are other tokens',
    async count => {
      const token = issue()
      await hop.expectForwarded(token, '/introspection/1')
      for (const other of [
        token.slice(0, -count),
        token.slice(count),
        `${token}${'A'.repeat(count)}`,
        `${'A'.repeat(count)}${token}`,
      ]) {
        const before = hop.server.introspectionRequests.length
        await hop.expectDenied(other, invalidToken, '/introspection/1')
        expect(hop.server.introspectionRequests[before]?.form.get('token')).toBe(other)
      }
      await hop.expectForwarded(token, '/introspection/1')
    },
  )

  it('C16 in another case are other tokens', async () => {
    const token = issue()
    await hop.expectForwarded(token, '/introspection/1')
    await hop.expectDenied(token.toLowerCase(), invalidToken, '/introspection/1')
  })
})

describe('G10 G12 what is remembered', () => {
  it('G10 a revoked token does not pass a route that asks, though its exchange is remembered', async () => {
    const token = await hop.issuer.sign({ scope: 'orders:read', sub: 'anybody' })
    issued.set(token, active({ exp: undefined }))
    for (const path of ['/jwt/1', '/both/1', '/jwt/1']) await hop.expectForwarded(token, path)
    issued.delete(token)
    clock.advanceMs(5_000)
    await hop.expectForwarded(token, '/jwt/1')
    await hop.expectDenied(token, invalidToken, '/both/1')
    await hop.expectDenied(token, invalidToken, '/introspection/1')
    await hop.expectForwarded(token, '/jwt/1')
    await hop.expectDenied(token, invalidToken, '/both/1')
  })

  it('G10 a revoked opaque token passes for five seconds at most', async () => {
    const token = issue()
    await hop.expectForwarded(token, '/introspection/1')
    issued.delete(token)
    clock.advanceMs(4_999)
    await hop.expectForwarded(token, '/introspection/1')
    clock.advanceMs(1)
    await hop.expectDenied(token, invalidToken, '/introspection/1')
  })

  it('G12 bad tokens do not make a good one bad, nor does a time in which nobody answers', async () => {
    const token = issue()
    for (let index = 0; index < 20; index++)
      await hop.expectDenied(newToken(), invalidToken, '/introspection/1')
    await hop.expectForwarded(token, '/introspection/1')
    clock.advanceMs(5_000)
    hop.server.onIntrospect(() => ({ status: 503 }))
    await hop.expectDenied(token, unavailable, '/introspection/1')
    byTheBook()
    await hop.expectForwarded(token, '/introspection/1')
  })

  it('G12 a token that was not active yet passes once it is, and who asked before does not keep it out', async () => {
    const token = newToken()
    await hop.expectDenied(token, invalidToken, '/introspection/1')
    issued.set(token, active())
    clock.advanceMs(3_000)
    await hop.expectForwarded(token, '/introspection/1')
  })

  it('a hundred requests with one token are one question', async () => {
    const token = issue()
    const before = hop.server.introspectionRequests.length
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => hop.get(`Bearer ${token}`, '/introspection/1')),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(hop.server.introspectionRequests.length).toBe(before + 1)
  })
})

describe('a JWT that is taken for what the issuer says', () => {
  it('is nobody else because the issuer says so', async () => {
    const token = await hop.issuer.sign({ scope: 'orders:read', sub: 'anybody' })
    issued.set(token, active({ sub: 'root' }))
    await hop.expectDenied(token, invalidToken, '/both/1')
  })

  it('is not asked about when its signature is bad', async () => {
    const [header, payload] = (await hop.issuer.sign({ scope: 'orders:read' })).split('.')
    const before = hop.server.introspectionRequests.length
    await hop.expectDenied(`${header}.${payload}.${'A'.repeat(86)}`, invalidToken, '/both/1')
    expect(hop.server.introspectionRequests.length).toBe(before)
  })
})
