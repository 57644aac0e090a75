import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AttackedHop,
  type Denial,
  invalidToken,
  issuerItem,
  notPermitted,
  readClaims,
  scopeMissing,
  startAttackedHop,
} from '../support/attacked-hop.ts'
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts'
import { requestRaw } from '../support/raw-client.ts'
import { startHop } from '../support/start-hop.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'

/**
 * Family B: every token here is signed by the right issuer with the right key. It is for something else, for somebody
 * else, for another time, or says what it says in a way that a careless reader understands differently: a claim that
 * is missing and therefore not checked, a text that contains the right one, an array where a text was meant.
 *
 * Left out, because the feature comes in a later version: B12 (tenants of routes). B11 (step-up) is in step-up.test.ts,
 * and what issuers say of opaque tokens (B15) in introspection.test.ts.
 */

let hop: AttackedHop
let login: TestIssuer
let other: TestIssuer

const routes = `
  - { path: '/orders/**', audience: orders-api, scope: orders:read }
  - { path: /people, audience: orders-api, allow: subject.id != client.id }
  - { path: /by-support, audience: orders-api, allow: actor.id == "support" }
  - { path: /may-act, audience: orders-api, allow: '!has(subject.may_act) || subject.may_act.sub == "orders"' }
  - { path: /admins, audience: orders-api, allow: '"admin" in subject.roles' }
  - { path: /named, audience: orders-api, allow: 'has(subject.toString) || has(subject.hasOwnProperty) || "__proto__" in subject || has(subject.constructor)' }
  - { path: /unnamed, audience: orders-api, allow: '!has(subject.constructor)' }
  - { path: /partners, audience: orders-api, clients: [partner] }
`

beforeAll(async () => {
  login = await createTestIssuer({ issuer: 'https://login.test' })
  other = await createTestIssuer({ issuer: 'https://other.test', kid: 'other-1' })
  hop = await startAttackedHop({ issuer: login, routes, issuerRules: issuerItem(other, other.jwks.keys) })
})
afterAll(() => hop.close())

const nowSeconds = (): number => Math.floor(Date.now() / 1000)

function good(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> {
  return login.sign({ scope: 'orders:read', ...claims }, header)
}

/** A token whose claim is written as raw JSON, for numbers that a program would not write. */
async function withRawClaim(name: string, json: string): Promise<string> {
  const claims = JSON.stringify(readClaims(await good({ [name]: undefined })))
  const header = JSON.stringify({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' })
  return login.signRaw(header, `${claims.slice(0, -1)},"${name}":${json}}`)
}

describe('B01: another kind of token of the same issuer', () => {
  it.each(
    cases(
      'dpop+jwt',
      'logout+jwt',
      'secevent+jwt',
      'txntoken+jwt',
      'oauth-id-jag+jwt',
      'client-authentication+jwt',
      'token-introspection+jwt',
      'wit+jwt',
      'application/logout+jwt',
      'LOGOUT+JWT',
      'application/application/at+jwt',
      'at+jwt;v=1',
      'at+jwt ',
      'id+jwt',
      '',
      ['at+jwt'],
      1,
      null,
    ),
  )('B01 refuses typ $value', async ({ value: typ }) => {
    await hop.expectDenied(await good({}, { typ }))
    await hop.expectForwarded(await good())
  })

  it.each<[string, Record<string, unknown>]>([
    ['an ID token', { nonce: 'n', at_hash: 'h', auth_time: 1 }],
    ['an ID token by its nonce', { nonce: 'n' }],
    ['an ID token by its c_hash', { c_hash: 'h' }],
    ['Keycloak’s ID token', { typ: 'ID' }],
    ['Keycloak’s refresh token', { typ: 'Refresh' }],
    ['Keycloak’s offline token', { typ: 'Offline' }],
    ['Keycloak’s logout token', { typ: 'Logout' }],
    ['Cognito’s ID token', { token_use: 'id' }],
    ['a logout token', { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }],
    ['an introspection answer', { token_introspection: { active: true } }],
  ])('B01 refuses %s under a typ that says nothing', async (_what, claims) => {
    for (const typ of ['JWT', undefined]) await hop.expectDenied(await good(claims, { typ }))
    await hop.expectForwarded(await good({ typ: 'Bearer', token_use: 'access' }, { typ: 'JWT' }))
  })

  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/AT+jwt'])(
    'B01 takes typ %s for an access token',
    async typ => {
      await hop.expectForwarded(await good({}, { typ }))
    },
  )
})

describe('B02 and B03: another time', () => {
  it.each(cases(undefined, '1999999999', null, true, [9_999_999_999], {}, -1, 0, Number.MAX_SAFE_INTEGER))(
    'B02 refuses exp $value',
    async ({ value: exp }) => {
      await hop.expectDenied(await good({ exp }))
      await hop.expectForwarded(await good())
    },
  )

  it.each(['1e999', '-1e999', '9007199254740993', '1e30', '0x7fffffff', '01999999999'])(
    'B02 refuses exp written as %s',
    async json => {
      await hop.expectDenied(await withRawClaim('exp', json))
      await hop.expectForwarded(await withRawClaim('exp', `${nowSeconds() + 60}.5`))
      await hop.expectForwarded(await withRawClaim('exp', String(nowSeconds() + 60)))
    },
  )

  it('B02 refuses a token that ended before the leeway', async () => {
    const iat = nowSeconds() - 600
    await hop.expectDenied(await good({ iat, exp: nowSeconds() - 6 }))
    await hop.expectForwarded(await good({ iat, exp: nowSeconds() + 20 }))
  })

  it('B02 refuses a token in the very second in which it ends, without leeway', async () => {
    const clock = createFakeClock(nowSeconds())
    const exact = await startAttackedHop({ issuer: login, clock, issuerRules: '    leeway: 0s' })
    const token = await good({ iat: clock.now() - 60, exp: clock.now() + 30 })
    clock.advanceMs(29_999)
    await exact.expectForwarded(token)
    clock.advanceMs(1)
    await exact.expectDenied(token)
    await exact.close()
  })

  it.each<[string, () => Record<string, unknown>]>([
    ['nbf in the future', () => ({ nbf: nowSeconds() + 60 })],
    ['nbf a little in the future, as a fraction', () => ({ nbf: nowSeconds() + 60.5 })],
    ['nbf as text', () => ({ nbf: String(nowSeconds() - 60) })],
    ['nbf null', () => ({ nbf: null })],
    ['iat an hour ahead', () => ({ iat: nowSeconds() + 3600, exp: nowSeconds() + 7200 })],
    ['iat as text', () => ({ iat: String(nowSeconds()) })],
    ['iat in 1970', () => ({ iat: 1 })],
    ['iat after exp', () => ({ iat: nowSeconds(), exp: nowSeconds() - 1 })],
    ['a life of ten years', () => ({ exp: nowSeconds() + 315_360_000 })],
    ['a life of ten years without iat', () => ({ iat: undefined, exp: nowSeconds() + 315_360_000 })],
  ])('B03 refuses %s', async (_what, claims) => {
    await hop.expectDenied(await good(claims()))
    await hop.expectForwarded(await good({ nbf: nowSeconds() - 0.5, iat: undefined }))
  })
})

describe('B04: another issuer', () => {
  it.each<[string, unknown]>([
    ['none', undefined],
    ['a list', ['https://login.test']],
    ['a list of two', ['https://evil.test', 'https://login.test']],
    ['an object', { iss: 'https://login.test' }],
    ['0', 0],
    ['empty', ''],
    ['a slash more', 'https://login.test/'],
    ['upper case', 'https://LOGIN.test'],
    ['http', 'http://login.test'],
    ['the default port', 'https://login.test:443'],
    ['a longer host', 'https://login.test.evil.example'],
    ['the name in a path', 'https://evil.example/https://login.test'],
    ['userinfo', 'https://login.test@evil.example'],
    ['a NUL', 'https://login.test\u0000'],
    ['a blank', ' https://login.test'],
    ['a homograph', 'https://l\u043egin.test'],
    ['a prefix', 'https://login.tes'],
    ['a name of every object', '__proto__'],
    ['another name of every object', 'constructor'],
  ])('B04 refuses iss that is %s', async (_what, iss) => {
    await hop.expectDenied(await good({ iss }))
    await hop.expectForwarded(await good())
  })

  it('B04 refuses a token in the name of another trusted issuer', async () => {
    await hop.expectDenied(await good({ iss: other.issuer }))
    await hop.expectDenied(await good({ iss: other.issuer }, { kid: other.kid }))
    await hop.expectForwarded(await other.sign({ scope: 'orders:read' }))
  })
})

describe('B05: for somebody else', () => {
  it.each<[string, unknown]>([
    ['none', undefined],
    ['empty', ''],
    ['an empty list', []],
    ['an object', {}],
    ['a number', 1],
    ['true', true],
    ['null', null],
    ['another service', ['other']],
    ['the next hop itself', 'orders-api'],
    ['this sidecar’s client id', 'orders'],
    ['a prefix of ours', 'shop-we'],
    ['ours and more', 'shop-web2'],
    ['another case', 'Shop-Web'],
    ['a slash more', 'shop-web/'],
    ['a blank more', 'shop-web '],
    ['a list in a list', [['shop-web']]],
    ['a list with null', [null, 'shop-web']],
    ['a list with an empty text', ['', 'shop-web']],
    ['two names in one text', 'shop-web other'],
    ['a thousand, ours among them', [...new Array<string>(999).fill('a'), 'shop-web']],
    ['an object with our name', { 'shop-web': true }],
  ])('B05 refuses aud that is %s', async (_what, aud) => {
    await hop.expectDenied(await good({ aud }))
    await hop.expectForwarded(await good({ aud: ['shop-web'] }))
  })

  it('B05 takes a token that is for us and for others', async () => {
    await hop.expectForwarded(await good({ aud: ['other', 'shop-web'] }))
  })
})

describe('B06: about somebody else', () => {
  it.each<[string, unknown]>([
    ['none', undefined],
    ['empty', ''],
    ['a number', 1],
    ['null', null],
    ['an object', {}],
    ['a list', ['alice']],
    ['longer than 256 bytes', 'x'.repeat(257)],
    ['longer than 256 bytes by its accents', 'é'.repeat(129)],
    ['cut by a NUL', 'alice\u0000'],
    ['two lines', 'alice\r\nX-Admin: 1'],
  ])('B06 refuses sub that is %s', async (_what, sub) => {
    await hop.expectDenied(await good({ sub }))
    const longest = 'x'.repeat(256)
    const request = await hop.expectForwarded(await good({ sub: longest }))
    expect(issuedClaims(request)['sub']).toBe(longest)
  })

  it('B06 refuses a machine on a route for people', async () => {
    await hop.expectDenied(await good({ sub: 'batch', client_id: 'batch' }), notPermitted, '/people')
    await hop.expectForwarded(await good({ sub: 'alice', client_id: 'shop-web' }), '/people')
  })

  it.each(cases(undefined, 'shop-web', 'Partner', 'partner2', 'partner '))(
    'B06 refuses client $value on a route for one client',
    async ({ value: client_id }) => {
      await hop.expectDenied(await good({ client_id }), notPermitted, '/partners')
      await hop.expectForwarded(await good({ client_id: 'partner' }), '/partners')
    },
  )

  it.each([
    { client_id: ['partner'] },
    { client_id: 1 },
    { client_id: '' },
    { azp: {} },
    { jti: 7 },
    { acr: [] },
  ])('B06 refuses %j, whatever else it says', async claims => {
    await hop.expectDenied(await good(claims), invalidToken, '/partners')
    await hop.expectForwarded(await good({ client_id: 'partner' }), '/partners')
  })
})

describe('B07: more scope than it has', () => {
  it.each<[string, Record<string, unknown>, Denial]>([
    ['none', { scope: undefined }, scopeMissing],
    ['an empty one', { scope: '' }, scopeMissing],
    ['upper case', { scope: 'ORDERS:READ' }, scopeMissing],
    ['a longer word', { scope: 'orders:reads orders:read2' }, scopeMissing],
    ['a shorter word', { scope: 'orders orders:' }, scopeMissing],
    ['a wildcard', { scope: 'orders:* *' }, scopeMissing],
    ['a comma', { scope: 'profile,orders:read' }, scopeMissing],
    ['an empty scope beside a full scp', { scope: '', scp: ['orders:read'] }, scopeMissing],
    ['a list', { scope: ['orders:read'] }, invalidToken],
    ['a tab', { scope: 'profile\torders:read' }, invalidToken],
    ['two blanks', { scope: 'profile  orders:read' }, invalidToken],
    ['a quote', { scope: '"orders:read"' }, invalidToken],
    ['null', { scope: null }, invalidToken],
    ['an object', { scope: { 'orders:read': true } }, invalidToken],
    ['scp with two words in one', { scope: undefined, scp: ['profile orders:read'] }, invalidToken],
    ['scp with a number', { scope: undefined, scp: [1, 'orders:read'] }, invalidToken],
  ])('B07 reads scope as a set of exact words: %s', async (_what, claims, denial) => {
    await hop.expectDenied(await good(claims), denial)
    await hop.expectForwarded(await good({ scope: 'profile orders:read email' }))
    await hop.expectForwarded(await good({ scope: undefined, scp: ['orders:read', 'email'] }))
  })
})

describe('B08: on whose behalf', () => {
  const chain = (depth: number): unknown =>
    depth === 0 ? undefined : { sub: `hop-${depth}`, act: chain(depth - 1) }

  it.each<[string, unknown]>([
    ['a text', 'gateway'],
    ['a list', [{ sub: 'gateway' }]],
    ['null', null],
    ['nobody', {}],
    ['an empty name', { sub: '' }],
    ['a number', { sub: 1 }],
    ['only an issuer', { iss: 'https://login.test' }],
    ['an issuer that is none', { sub: 'gateway', iss: 1 }],
    ['a control character', { sub: 'gate\nway' }],
    ['nine hops', chain(9)],
    ['fifty hops', chain(50)],
    ['a broken hop inside', { sub: 'a', act: { sub: 'b', act: 'c' } }],
    ['an empty hop inside', { sub: 'a', act: {} }],
    ['a null hop inside', { sub: 'a', act: null }],
  ])('B08 refuses act that is %s, rather than forget it', async (_what, act) => {
    await hop.expectDenied(await good({ act }))
    await hop.expectForwarded(await good({ act: { sub: 'gateway' } }))
  })

  it('B08 takes eight hops, passes every one on, and records them', async () => {
    const events = hop.lines.length
    const request = await hop.expectForwarded(await good({ act: chain(8) }))
    expect(issuedClaims(request)['act']).toEqual({ sub: 'orders', act: JSON.parse(JSON.stringify(chain(8))) })
    expect(JSON.stringify(await hop.event(events))).toContain('"sub":"hop-1"')
  })

  it('B08 takes a chain that repeats itself for what it says, without following it twice', async () => {
    const act = { sub: 'a', act: { sub: 'b', act: { sub: 'a', act: { sub: 'b' } } } }
    const request = await hop.expectForwarded(await good({ act }))
    expect(issuedClaims(request)['act']).toEqual({ sub: 'orders', act })
  })

  it('B08 lets the outermost actor decide and no other', async () => {
    const path = '/by-support'
    const inner = { sub: 'shop', act: { sub: 'support' } }
    await hop.expectDenied(await good({ act: inner }), notPermitted, path)
    await hop.expectDenied(await good({ sub: 'support' }), notPermitted, path)
    await hop.expectDenied(await good({ act: { sub: 'shop', id: 'support' } }), notPermitted, path)
    await hop.expectForwarded(await good({ act: { sub: 'support', act: { sub: 'shop' } } }), path)
  })

  it('B08 lets no actor change how long a token lives', async () => {
    await hop.expectForwarded(await good({ act: { sub: 'gateway', exp: 1 } }))
    const ended = { iat: nowSeconds() - 60, exp: nowSeconds() - 30 }
    await hop.expectDenied(await good({ ...ended, act: { sub: 'gateway', exp: nowSeconds() + 300 } }))
  })

  it('B08 takes a subject that acts for itself, and adds this client in front', async () => {
    const request = await hop.expectForwarded(await good({ act: { sub: 'alice' } }))
    expect(issuedClaims(request)['act']).toEqual({ sub: 'orders', act: { sub: 'alice' } })
  })
})

describe('B09: an actor whom the token does not name', () => {
  it('B09 asks nobody for a token when the route’s policy looks at may_act', async () => {
    await hop.expectDenied(await good({ may_act: { sub: 'billing' } }), notPermitted, '/may-act')
    await hop.expectDenied(await good({ may_act: 'orders' }), notPermitted, '/may-act')
    await hop.expectDenied(await good({ may_act: {} }), notPermitted, '/may-act')
    await hop.expectForwarded(await good({ may_act: { sub: 'orders' } }), '/may-act')
    await hop.expectForwarded(await good(), '/may-act')
  })

  it('B09 gets no token from the embedded token service, whatever the policy', async () => {
    const embedded = await startHop({ issuer: login })
    const ask = async (claims: Record<string, unknown>): Promise<number> => {
      const field = `Authorization: Bearer ${await good(claims)}`
      return (await requestRaw(embedded.port, `GET /orders/1 HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`)).status
    }
    expect(await ask({ may_act: { sub: 'billing' } })).toBe(401)
    expect(await ask({ may_act: { sub: 'orders', tenant: 'x' } })).toBe(401)
    expect(embedded.upstream.requests).toEqual([])
    expect(await embedded.event()).toMatchObject({ refusal: 'exchange.subject_rejected' })
    expect(await ask({ may_act: { sub: 'orders' } })).toBe(200)
    await embedded.close()
  })
})

describe('B10: a token that only its holder may use', () => {
  it.each(
    cases(
      { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
      { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' },
      { jkt: 'a', 'x5t#S256': 'b' },
      { jwk: {} },
      { foo: 1 },
      {},
      [],
      null,
      'x',
    ),
  )('B10 refuses a token with cnf $value as a plain bearer', async ({ value: cnf }) => {
    await hop.expectDenied(await good({ cnf }))
    await hop.expectForwarded(await good())
  })

  it('B10 takes no DPoP token by its own scheme either', async () => {
    const events = hop.lines.length
    const answer = await hop.get(`DPoP ${await good({ cnf: { jkt: 'a' } })}`)
    expect([answer.status, answer.header('www-authenticate')]).toEqual([401, 'Bearer realm="orders"'])
    expect(await hop.event(events)).toMatchObject({ refusal: 'token.missing' })
    await hop.expectForwarded(await good())
  })
})

describe('B13: names that every object has', () => {
  it('B13 finds no claim that the token does not have', async () => {
    await hop.expectDenied(await good(), notPermitted, '/named')
    for (const name of ['toString', 'hasOwnProperty', '__proto__'])
      await hop.expectForwarded(await withRawClaim(name, '"x"'), '/named')
  })

  it('B13 permits nothing to a token that pretends to be of another type', async () => {
    for (const value of ['"x"', '{"name":"Map"}', '{"prototype":{}}']) {
      const token = await withRawClaim('constructor', value)
      await hop.expectDenied(token, notPermitted, '/named')
      await hop.expectDenied(token, notPermitted, '/unnamed')
    }
    await hop.expectForwarded(await good(), '/unnamed')
  })

  it.each(cases('admin', 'admin,user', ['administrator'], ['Admin'], [['admin']], {}, null, 1, undefined))(
    'B13 does not take roles $value for a list with the role',
    async ({ value: roles }) => {
      await hop.expectDenied(await good({ roles }), notPermitted, '/admins')
      await hop.expectForwarded(await good({ roles: ['user', 'admin'] }), '/admins')
    },
  )
})

describe('B14: clocks', () => {
  /** Two clocks that part, as those of a machine do when somebody sets the time. */
  function createTwoClocks() {
    const clock = { wall: nowSeconds(), monotonic: 0 }
    return Object.assign(clock, { now: () => clock.wall, monotonicMs: () => clock.monotonic })
  }

  it('B14 ends a known token by the wall clock, whatever the monotonic one does', async () => {
    const clock = createTwoClocks()
    const clocked = await startAttackedHop({ issuer: login, clock })
    const token = await good({ exp: nowSeconds() + 60 })
    await clocked.expectForwarded(token)
    clock.monotonic -= 3_600_000
    await clocked.expectForwarded(token)
    clock.wall += 66
    await clocked.expectDenied(token)
    clock.monotonic += 7_200_000
    await clocked.expectDenied(token)
    clock.wall -= 66
    await clocked.expectForwarded(token)
    await clocked.close()
  })

  it('B14 does not use an issued token past its end, when the wall clock jumps ahead', async () => {
    const clock: FakeClock = createFakeClock(nowSeconds())
    const clocked = await startAttackedHop({ issuer: login, clock })
    const token = await good({ exp: nowSeconds() + 86_000 })
    const first = await clocked.expectForwarded(token)
    expect((await clocked.expectForwarded(token)).header('authorization')).toBe(first.header('authorization'))
    clock.advanceMs(3_600_000)
    const later = await clocked.expectForwarded(token)
    expect(later.header('authorization')).not.toBe(first.header('authorization'))
    expect(clocked.server.tokenRequests).toHaveLength(2)
    await clocked.close()
  })

  it('B14 exchanges no token that lives on leeway alone', async () => {
    const events = hop.lines.length
    const answer = await hop.get(`Bearer ${await good({ iat: nowSeconds() - 60, exp: nowSeconds() - 1 })}`)
    expect([answer.status, answer.header('www-authenticate')]).toEqual([401, invalidToken.challenge])
    expect(await hop.event(events)).toMatchObject({ refusal: 'exchange.subject_rejected' })
  })
})

describe('B15: a token that says nothing', () => {
  it.each([
    ['hex', randomBytes(32).toString('hex')],
    ['base64url', randomBytes(48).toString('base64url')],
    ['a UUID', randomUUID()],
    ['a reference with dots', `${randomBytes(12).toString('hex')}.${randomBytes(12).toString('hex')}.x`],
    ['one letter', 'x'],
  ])('B15 refuses an opaque token: %s', async (_what, token) => {
    await hop.expectDenied(token)
    await hop.expectForwarded(await good())
  })
})

/** One case for each value: a list among them is a value and not a case. */
function cases(...values: readonly unknown[]): { readonly value: unknown }[] {
  return values.map(value => ({ value }))
}

function issuedClaims(request: { header(name: string): string | undefined }): Record<string, unknown> {
  return readClaims(request.header('authorization') ?? '')
}
