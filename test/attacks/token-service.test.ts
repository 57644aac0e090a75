import { createHmac, createPublicKey } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { grantType, jwtBearerClientAssertion } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { ReplayStoreError } from '../../src/sts/replay-store.ts'
import type { TokenServiceEvent } from '../../src/sts/token-service-event.ts'
import {
  basic,
  billingSecret,
  createTestTokenService,
  decodeClaims,
  encodeForm,
  formType,
  ordersSecret,
  type TestTokenService,
  type TokenAnswer,
  tokenServiceIssuer,
} from '../support/token-service.ts'
import { createTestIssuer, encode } from '../support/tokens.ts'

// Who attacks a token service already holds something: a token that was meant for somebody else, a client's id, a
// client of their own. They want a token that is wider, longer-lived, for another audience, for another subject, or
// that hides who acts. Each case is one such attempt; beside it stands the honest request that must go on working.

let sts: TestTokenService
beforeEach(async () => {
  sts = await createTestTokenService()
})

afterEach(() => {
  const recorded = JSON.stringify(sts.events)
  expect(recorded).not.toMatch(/eyJ[\w-]*\./)
  for (const secret of [ordersSecret, billingSecret, 'canary']) expect(recorded).not.toContain(secret)
})

const asBilling = basic('billing', billingSecret)

/** The attempt failed, told the attacker no more than this, and left its mark in the record. */
function expectRefused(
  answer: TokenAnswer,
  [status, error]: readonly [number, string],
  event: Partial<TokenServiceEvent> = {},
): void {
  expect(answer).toMatchObject({ status, json: { error } })
  expect(Object.keys(answer.json).sort()).toEqual(['error', 'error_description'])
  expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error, tokenId: undefined, ...event })
}

/** The honest twin got its token, and that is on record too. */
function expectIssued(answer: TokenAnswer, event: Partial<TokenServiceEvent> = {}): void {
  expect(answer.json['error']).toBeUndefined()
  expect(answer.status).toBe(200)
  expect(sts.lastEvent()).toMatchObject({
    kind: 'issued',
    error: undefined,
    tokenId: answer.claims['jti'],
    ...event,
  })
}

const invalidRequest = [400, 'invalid_request'] as const
const invalidTarget = [400, 'invalid_target'] as const
const invalidScope = [400, 'invalid_scope'] as const
const invalidClient = [401, 'invalid_client'] as const

describe('H01: a request that two readers could understand differently', () => {
  const honest = async () => ({
    grant_type: grantType.tokenExchange,
    subject_token: await sts.subjectToken(),
    subject_token_type: tokenType.accessToken,
    audience: 'orders-api',
  })
  const authorization = [basic('orders', ordersSecret)]

  it('a second subject token, of somebody else', async () => {
    const form = await honest()
    const other = await sts.subjectToken({ sub: 'admin' })
    expectRefused(await sts.post({ ...form, subject_token: [form.subject_token, other] }), invalidRequest)
    expectIssued(await sts.post(form))
  })

  it('parameters in the query', async () => {
    const body = encodeForm(await honest())
    const headers = new Map([
      ['content-type', [formType]],
      ['authorization', authorization],
    ])
    expectRefused(await sts.send({ query: 'audience=billing', body, headers }), invalidRequest)
    expectIssued(await sts.send({ body, headers }))
  })

  it.each(['application/json', 'text/plain', `${formType}; charset=utf-16`, `${formType};charset=latin1`])(
    'a body as %s',
    async type => {
      const form = await honest()
      const body = type === 'application/json' ? JSON.stringify(form) : encodeForm(form)
      const headers = new Map([
        ['content-type', [type]],
        ['authorization', authorization],
      ])
      expectRefused(await sts.send({ body, headers }), invalidRequest)
      expectIssued(await sts.post(form))
    },
  )

  it.each(['GET', 'HEAD', 'PUT', 'OPTIONS'])('the method %s', async method => {
    const answer = await sts.send({ method, query: encodeForm(await honest()) })
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'POST' } })
    expect(sts.events).toEqual([])
    expectIssued(await sts.post(await honest()))
  })
})

describe('H02: a subject token that is not what it is presented as', () => {
  const present = async (claims: Record<string, unknown>, header: Record<string, unknown> = {}) =>
    sts.exchange({ subject_token: await sts.subjectToken(claims, header) })

  it('an expired one', async () => {
    const iat = sts.clock.now() - 100
    expectRefused(await present({ iat, exp: sts.clock.now() - 6 }), invalidRequest, { subject: undefined })
    expectIssued(await present({ exp: sts.clock.now() + 6 }))
  })

  it('one that lives on leeway alone', async () => {
    const iat = sts.clock.now() - 100
    expectRefused(await present({ iat, exp: sts.clock.now() - 1 }), invalidRequest, { subject: 'alice' })
    expectIssued(await present({ exp: sts.clock.now() + 1 }))
  })

  it('one of an issuer that nobody trusts, with a known key id', async () => {
    const other = await createTestIssuer({ issuer: 'https://evil.example.com' })
    const claims = { aud: 'orders', iat: sts.clock.now(), exp: sts.clock.now() + 60 }
    expectRefused(await sts.exchange({ subject_token: await other.sign(claims) }), invalidRequest)
    const forged = await other.sign({ ...claims, iss: sts.login.issuer })
    expectRefused(await sts.exchange({ subject_token: forged }), invalidRequest)
    expectIssued(await present({}))
  })

  it("one that claims to be the service's own", async () => {
    const forged = { iss: tokenServiceIssuer, client_id: 'web', sub: 'admin' }
    expectRefused(await present(forged), invalidRequest, { subject: undefined })
    const own = await sts.exchange({ audience: 'billing' })
    const subject_token = String(own.json['access_token'])
    expectIssued(await sts.exchange({ subject_token, audience: 'orders' }, asBilling), { subject: 'alice' })
  })

  it('one that is bound to a key that the presenter does not have', async () => {
    for (const cnf of [{ jkt: 'x' }, { 'x5t#S256': 'x' }, {}, null]) {
      expectRefused(await present({ cnf }), invalidRequest)
    }
    expectIssued(await present({}))
  })

  it.each<[string, string]>([
    ['a refresh token', tokenType.refreshToken],
    ['an ID token', tokenType.idToken],
    ['a SAML assertion', tokenType.saml2],
  ])('%s', async (_, subject_token_type) => {
    expectRefused(await sts.exchange({ subject_token_type }), invalidRequest, { client: 'orders' })
    expectIssued(await sts.exchange())
  })
})

describe('H03: a target that the client may not have', () => {
  it.each([
    ["another client's audience", { audience: 'ledger' }],
    ['an audience of nobody, with a token in it', { audience: 'eyJhbGciOiJub25lIn0.e30.canary' }],
    ['a resource with a fragment', { audience: undefined, resource: 'https://api.example.com/ledger#x' }],
    ['a relative resource', { audience: undefined, resource: '/ledger' }],
    [
      'a resource with dot segments',
      { audience: undefined, resource: 'https://api.example.com/x/../ledger' },
    ],
    ['a second audience', { audience: ['orders-api', 'billing'] }],
    ['a forbidden resource beside an allowed audience', { resource: 'https://evil.example.com/' }],
  ])('%s', async (_, form) => {
    expectRefused(await sts.exchange(form), invalidTarget, { client: 'orders', audience: undefined })
    expectIssued(await sts.exchange(), { audience: 'orders-api' })
  })
})

describe('H04: more scope', () => {
  it.each([
    ['than the client may have', 'profile'],
    ['than the subject token has', 'billing:read'],
    ['than exists', 'admin'],
    ['one good, one bad', 'orders:read profile'],
  ])('%s', async (_, scope) => {
    const audience = 'billing'
    expectRefused(await sts.exchange({ scope, audience }), invalidScope, { client: 'orders', audience })
    expectIssued(await sts.exchange({ scope: 'orders:read', audience }), { scope: 'orders:read' })
  })

  it('a subject token without scope has none, not all', async () => {
    const subject_token = await sts.subjectToken({ scope: undefined })
    expectRefused(await sts.exchange({ subject_token, scope: 'orders:read' }), invalidScope)
    const answer = await sts.exchange({ subject_token })
    expectIssued(answer, { scope: '' })
    expect(answer.claims).not.toHaveProperty('scope')
  })

  it('what one exchange dropped does not come back in the next', async () => {
    const narrowed = await sts.exchange({ audience: 'billing', scope: 'orders:read' })
    expect(narrowed.json['scope']).toBe('orders:read')
    const subject_token = String(narrowed.json['access_token'])
    const wider = { audience: 'ledger', subject_token, scope: 'ledger:write' }
    expectRefused(await sts.exchange(wider, asBilling), invalidScope)
    expectIssued(await sts.exchange({ ...wider, scope: 'orders:read' }, asBilling))
  })
})

describe('H05: a longer life', () => {
  it.each([
    ['the subject token', 10, 'orders-api', 10],
    ["the client's entry for the audience", 3_000, 'orders-api', 60],
    ['the service', 3_000, 'billing', 120],
  ])('than %s allows', async (_, subjectLife, audience, expected) => {
    const subject_token = await sts.subjectToken({ exp: sts.clock.now() + subjectLife })
    const answer = await sts.exchange({ subject_token, audience })
    expectIssued(answer, { expiresAt: sts.clock.now() + expected })
    expect(answer.claims['exp']).toBe(sts.clock.now() + expected)
    expect(answer.json['expires_in']).toBe(expected)
  })

  it('by exchanging again and again', async () => {
    let subject_token = await sts.subjectToken({ exp: sts.clock.now() + 100 })
    const end = sts.clock.now() + 100
    for (const audience of ['billing', 'orders', 'billing']) {
      sts.clock.advanceMs(20_000)
      const answer = await sts.exchange(
        { subject_token, audience },
        audience === 'orders' ? asBilling : basic('orders', ordersSecret),
      )
      expectIssued(answer)
      expect(answer.claims['exp']).toBeLessThanOrEqual(end)
      subject_token = String(answer.json['access_token'])
    }
    sts.clock.advanceMs(40_000)
    expectRefused(await sts.exchange({ subject_token, audience: 'orders' }, asBilling), invalidRequest)
  })
})

describe('H06: hiding who acts, or acting for whom one may not', () => {
  it.each<[string, unknown]>([
    ['another client', { sub: 'billing' }],
    ['a namesake at another issuer', { sub: 'orders', iss: 'https://other.example.com' }],
    ['somebody described otherwise', { sub: 'orders', email: 'boss@example.com' }],
    ['nobody', {}],
    ['a list', ['orders']],
  ])('may_act names %s', async (_, may_act) => {
    const attempt = await sts.exchange({ subject_token: await sts.subjectToken({ may_act }) })
    expectRefused(attempt, invalidRequest, { client: 'orders', subject: 'alice' })
    const honest = await sts.subjectToken({ may_act: { sub: 'orders' } })
    expectIssued(await sts.exchange({ subject_token: honest }), { actors: ['orders'] })
  })

  it('a chain that is too deep to follow', async () => {
    const act = { sub: 'a', act: { sub: 'b', act: { sub: 'c', act: { sub: 'd' } } } }
    const attempt = await sts.exchange({ subject_token: await sts.subjectToken({ act }) })
    expectRefused(attempt, invalidRequest, { actors: ['a', 'b', 'c', 'd'] })
    expectIssued(await sts.exchange({ subject_token: await sts.subjectToken({ act: act.act }) }), {
      actors: ['orders', 'b', 'c', 'd'],
    })
  })

  it.each<[string, unknown]>([
    ['a text', 'web'],
    ['a list', [{ sub: 'web' }]],
    ['nameless', { iss: 'https://a.example.com' }],
    ['null', null],
  ])('an act claim that is %s', async (_, act) => {
    expectRefused(await sts.exchange({ subject_token: await sts.subjectToken({ act }) }), invalidRequest)
    expectIssued(await sts.exchange({ subject_token: await sts.subjectToken({ act: { sub: 'web' } }) }))
  })

  it('an actor_token of a mightier party', async () => {
    const actor_token = await sts.subjectToken({ sub: 'admin' })
    const form = { actor_token, actor_token_type: tokenType.accessToken }
    expectRefused(await sts.exchange(form), [403, 'access_denied'], { client: 'orders' })
    expectIssued(await sts.exchange(), { actors: ['orders'] })
  })

  it('claims that mean something only where they were issued do not pass', async () => {
    const local = {
      nonce: 'n',
      at_hash: 'h',
      sid: 's',
      roles: ['admin'],
      azp: 'web',
      may_act: { sub: 'orders' },
    }
    const answer = await sts.exchange({ subject_token: await sts.subjectToken({ ...local, acr: 'mfa' }) })
    expectIssued(answer)
    for (const name of Object.keys(local)) expect(answer.claims).not.toHaveProperty(name)
    expect(answer.claims['acr']).toBe('mfa')
  })
})

describe('H07: a client that is somebody else', () => {
  it.each([
    ['a wrong secret', basic('orders', 'canary')],
    ["another client's secret", basic('orders', billingSecret)],
    ['a secret with something more', basic('orders', `${ordersSecret}x`)],
    ['the secret that is not form-encoded', `Basic ${btoa(`orders:${ordersSecret}`)}`],
    ['an empty secret', `Basic ${btoa('orders:')}`],
    ['no secret', `Basic ${btoa('orders')}`],
    ['an unknown client', basic('nobody', ordersSecret)],
    ['an inherited name', basic('__proto__', 'canary')],
    ['a client that has keys, with any secret', basic('reports', 'undefined')],
    ['a bearer token', 'Bearer canary'],
  ])('%s in the header', async (_, authorization) => {
    expectRefused(await sts.exchange({}, authorization), invalidClient)
    expectIssued(await sts.exchange(), { client: 'orders' })
  })

  it.each([
    ['a wrong secret', 'canary'],
    ['an empty secret', ''],
  ])('%s in the body', async (_, client_secret) => {
    expectRefused(await sts.exchange({ client_id: 'orders', client_secret }, undefined), invalidClient)
    expectIssued(await sts.exchange({ client_id: 'orders', client_secret: ordersSecret }, undefined))
  })

  it('no authentication: a public client', async () => {
    expectRefused(await sts.exchange({ client_id: 'orders' }, undefined), invalidClient)
    expectIssued(await sts.exchange({ client_id: 'orders' }))
  })

  it('two methods at once, both right', async () => {
    const both = { client_id: 'orders', client_secret: ordersSecret }
    expectRefused(await sts.exchange(both), invalidRequest, { client: undefined })
    expectIssued(await sts.exchange(both, undefined))
  })

  it('the answer does not say whether the client exists', async () => {
    const wrong = await sts.exchange({}, basic('orders', 'canary'))
    const unknown = await sts.exchange({}, basic('nobody', 'canary'))
    expect({ ...unknown }).toEqual({ ...wrong })
    expectIssued(await sts.exchange())
  })

  describe('by an assertion', () => {
    const present = (client_assertion: string, form = {}) =>
      sts.exchange(
        { client_assertion, client_assertion_type: jwtBearerClientAssertion, scope: 'orders:read', ...form },
        undefined,
      )

    afterEach(async () => {
      expectIssued(await present(await sts.assertion()), { client: 'reports' })
    })

    const tokenUrl = `${tokenServiceIssuer}/token`
    it.each<[string, Record<string, unknown>]>([
      ['for the token endpoint', { aud: tokenUrl }],
      ['for the issuer and another server', { aud: [tokenServiceIssuer, 'https://evil.example.com'] }],
      ['for another server', { aud: 'https://evil.example.com' }],
      ['for the issuer with a slash', { aud: `${tokenServiceIssuer}/` }],
      ['for nobody', { aud: undefined }],
      ['for an empty list', { aud: [] }],
      ['for a nested list', { aud: [[tokenServiceIssuer]] }],
      ['from another issuer', { iss: 'https://login.example.com' }],
      ['from nobody', { iss: undefined }],
      ['about another client', { sub: 'orders' }],
      ['from and about another client', { iss: 'orders', sub: 'orders' }],
      ['from and about an unknown client', { iss: 'nobody', sub: 'nobody' }],
      ['without jti', { jti: undefined }],
      ['with an empty jti', { jti: '' }],
      ['with a jti that is a number', { jti: 1 }],
      ['with an endless jti', { jti: 'x'.repeat(257) }],
      ['without exp', { exp: undefined }],
      ['with exp as text', { exp: '9999999999' }],
    ])('%s', async (_, claims) => {
      expectRefused(await present(await sts.assertion(claims)), invalidClient)
    })

    it.each<[string, (now: number) => Record<string, unknown>, string]>([
      ['that expired', now => ({ exp: now - 6 }), 'assertion: expired'],
      ['that lives an hour', now => ({ exp: now + 3_600 }), 'assertion: it lives longer than 60 s'],
      ['that lives a little too long', now => ({ exp: now + 70 }), 'assertion: it lives longer than 60 s'],
      ['from the future', now => ({ iat: now + 30 }), 'assertion: iat is not a past time'],
      ['not valid yet', now => ({ nbf: now + 30 }), 'assertion: nbf is not a past time'],
    ])('%s', async (_, claims, detail) => {
      const attempt = await present(await sts.assertion(claims(sts.clock.now())))
      expectRefused(attempt, invalidClient, { client: 'reports', detail })
    })

    it.each(['at+jwt', 'dpop+jwt', 'logout+jwt', 'secevent+jwt', 'application/at+jwt', ''])(
      'with the type %j',
      async typ => {
        expectRefused(await present(await sts.assertion({}, { typ })), invalidClient)
      },
    )

    it.each([undefined, 'JWT', 'jwt', 'client-authentication+jwt', 'application/client-authentication+jwt'])(
      'twin: with the type %j it is accepted',
      async typ => {
        expectIssued(await present(await sts.assertion({}, { typ })))
      },
    )

    it('twin: with the issuer as the only member of a list it is accepted', async () => {
      expectIssued(await present(await sts.assertion({ aud: [tokenServiceIssuer] })))
    })

    it('used before', async () => {
      const assertion = await sts.assertion()
      expectIssued(await present(assertion))
      expectRefused(await present(assertion), invalidClient, { detail: 'assertion: jti was used before' })
    })

    it('used before, signed anew', async () => {
      expectIssued(await present(await sts.assertion({ jti: 'one' })))
      expectRefused(await present(await sts.assertion({ jti: 'one', iat: undefined })), invalidClient)
    })

    it('used many times at once', async () => {
      const assertion = await sts.assertion()
      const answers = await Promise.all(Array.from({ length: 8 }, () => present(assertion)))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    })

    it('with a jti that a forger used up before', async () => {
      const forger = await createTestIssuer({ issuer: 'reports', kid: 'reports-1' })
      const claims = decodeClaims(await sts.assertion({ jti: 'next' }))
      expectRefused(await present(await forger.sign(claims, { typ: 'JWT' })), invalidClient)
      expectIssued(await present(await sts.assertion({ jti: 'next' })))
    })

    it('signed by somebody else, or not at all', async () => {
      const good = await sts.assertion()
      const [header = '', payload = ''] = good.split('.')
      const none = `${encode('{"alg":"none"}')}.${payload}`
      for (const forged of [`${header}.${payload}.${'A'.repeat(86)}`, `${none}.`, `${none}.AA`]) {
        expectRefused(await present(forged), invalidClient)
      }
    })

    it('with the public key as an HMAC secret', async () => {
      const jwk = sts.reports.jwk
      const spki = createPublicKey({ key: { ...jwk } as never, format: 'jwk' })
      const pem = spki.export({ type: 'spki', format: 'pem' }).toString()
      const payload = (await sts.assertion()).split('.')[1]
      for (const secret of [pem, pem.trim(), JSON.stringify(jwk)]) {
        const input = `${encode(JSON.stringify({ alg: 'HS256', kid: 'reports-1' }))}.${payload}`
        const signature = createHmac('sha256', secret).update(input).digest('base64url')
        expectRefused(await present(`${input}.${signature}`), invalidClient)
      }
    })

    it('with the id of another key, or a key of its own', async () => {
      expectRefused(await present(await sts.assertion({}, { kid: 'k1' })), invalidClient)
      const forger = await createTestIssuer({ issuer: 'reports', kid: 'mine' })
      const claims = decodeClaims(await sts.assertion())
      expectRefused(await present(await forger.sign(claims, { jwk: forger.jwk })), invalidClient)
    })

    it('of a client that has a secret', async () => {
      const claims = { iss: 'orders', sub: 'orders' }
      expectRefused(await present(await sts.assertion(claims)), invalidClient, { client: 'orders' })
    })

    it('beside the id of another client', async () => {
      const attempt = await present(await sts.assertion(), { client_id: 'orders' })
      expectRefused(attempt, invalidClient)
    })

    it('in place of a SAML assertion', async () => {
      const form = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' }
      expectRefused(await present(await sts.assertion(), form), invalidClient)
    })
  })

  it('an assertion while nobody can say whether it was used', async () => {
    const replay = {
      use: () => Promise.reject(new ReplayStoreError('the store of used ids does not answer')),
      close: async () => {},
    }
    sts = await createTestTokenService({ replay })
    const client_assertion = await sts.assertion()
    const form = { client_assertion, client_assertion_type: jwtBearerClientAssertion }
    expectRefused(await sts.exchange(form, undefined), [503, 'temporarily_unavailable'], {
      client: 'reports',
    })
    expectIssued(await sts.exchange())
  })

  it('by trying secret after secret', async () => {
    for (let i = 0; i < 20; i++) {
      expectRefused(await sts.exchange({}, basic('orders', `canary-${i}`)), invalidClient)
    }
    const throttled = await sts.exchange()
    expectRefused(throttled, [429, 'invalid_client'], {
      client: 'orders',
      detail: 'too many failed attempts',
    })
    expect(throttled.headers['retry-after']).toBe('60')

    const elsewhere = await sts.send({
      headers: new Map([
        ['content-type', [formType]],
        ['authorization', [basic('orders', ordersSecret)]],
      ]),
      body: encodeForm({
        grant_type: grantType.tokenExchange,
        subject_token: await sts.subjectToken(),
        subject_token_type: tokenType.accessToken,
        audience: 'orders-api',
      }),
      peer: '192.0.2.2',
    })
    expectIssued(elsewhere)
    sts.clock.advanceMs(60_000)
    expectIssued(await sts.exchange())
  })

  it('by trying client after client', async () => {
    for (let i = 0; i < 20; i++) await sts.exchange({}, basic(`client-${i}`, 'canary'))
    expectRefused(await sts.exchange({}, basic('another', 'canary')), [429, 'invalid_client'])
    expectIssued(await sts.exchange())
  })
})

describe('H08: one kind of JWT in place of another', () => {
  it("the service's own access token as a client assertion", async () => {
    const own = await sts.exchange()
    const form = {
      client_assertion: String(own.json['access_token']),
      client_assertion_type: jwtBearerClientAssertion,
    }
    expectRefused(await sts.exchange(form, undefined), invalidClient)
    expectIssued(await sts.exchange())
  })

  it('a client assertion as a subject token', async () => {
    const subject_token = await sts.assertion({ aud: 'orders' })
    expectRefused(await sts.exchange({ subject_token }), invalidRequest, { client: 'orders' })
    expectIssued(await sts.exchange())
  })

  it.each([
    'dpop+jwt',
    'logout+jwt',
    'secevent+jwt',
    'txntoken+jwt',
    'oauth-id-jag+jwt',
    'client-authentication+jwt',
    'token-introspection+jwt',
    'JWT',
    undefined,
  ])("the trusted issuer's %s as a subject token", async typ => {
    const subject_token = await sts.subjectToken({}, { typ })
    expectRefused(await sts.exchange({ subject_token }), invalidRequest, { subject: undefined })
    expectIssued(await sts.exchange())
  })
})

describe('H11: an answer that somebody else could read later', () => {
  it('is never stored, and no web page may read it', async () => {
    const headers = new Map([
      ['content-type', [formType]],
      ['origin', ['https://evil.example.com']],
    ])
    const refused = await sts.send({ headers })
    const issued = await sts.exchange()
    expectIssued(issued)
    for (const answer of [refused, issued, await sts.send({ method: 'GET' })]) {
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' })
      expect(Object.keys(answer.headers).filter(name => name.startsWith('access-control'))).toEqual([])
    }
  })
})

describe('H12: a token that can be guessed or read in two ways', () => {
  it('has an unguessable id, whole seconds, the exact issuer and one audience as text', async () => {
    sts.clock.advanceMs(321)
    const answers = await Promise.all(Array.from({ length: 20 }, () => sts.exchange()))
    const ids = new Set(answers.map(({ claims }) => claims['jti']))
    expect(ids.size).toBe(20)
    for (const { claims } of answers) {
      expect(Buffer.from(String(claims['jti']), 'base64url').length * 8).toBeGreaterThanOrEqual(128)
      expect([claims['iat'], claims['exp']].every(Number.isInteger)).toBe(true)
      expect(claims).toMatchObject({ iss: tokenServiceIssuer, aud: 'orders-api' })
    }
  })
})

// What the tests of other token services expect, where it applies here (Keycloak, Spring, tokendings, ZITADEL).
describe('what broke other token services', () => {
  it("a token of somebody else's, presented by a client that it was not meant for", async () => {
    const subject_token = await sts.subjectToken({ aud: 'billing' })
    const attempt = await sts.exchange({ subject_token })
    expectRefused(attempt, invalidRequest, {
      client: 'orders',
      subject: 'alice',
      detail: 'client is not within the token audience',
    })
    expectIssued(await sts.exchange({ subject_token, audience: 'orders' }, asBilling))
  })

  it('twin: a token for an audience that the client answers to', async () => {
    expectIssued(await sts.exchange({ subject_token: await sts.subjectToken({ aud: ['x', 'shop-web'] }) }))
  })

  it('a client that may not exchange at all', async () => {
    const attempt = await sts.exchange({}, basic('idle', 'idle-secret'))
    expectRefused(attempt, [400, 'unauthorized_client'], { client: 'idle' })
    expectIssued(await sts.exchange())
  })

  it('no scope is granted by default: who asks for none gets none', async () => {
    const answer = await sts.exchange({ audience: 'billing', scope: undefined })
    expectIssued(answer, { scope: '', audience: 'billing' })
    expect(answer.claims['scope']).toBeUndefined()
  })

  it('a chain A to B to A to B: each step is judged by the token that is presented', async () => {
    const first = await sts.exchange({ audience: 'billing' })
    const own = String(first.json['access_token'])
    expectRefused(await sts.exchange({ subject_token: own }), invalidRequest, { actors: ['orders'] })
    const second = await sts.exchange({ subject_token: own, audience: 'orders' }, asBilling)
    expectIssued(second, { actors: ['billing', 'orders'] })
    const third = await sts.exchange({
      subject_token: String(second.json['access_token']),
      audience: 'billing',
    })
    expectIssued(third, { actors: ['orders', 'billing', 'orders'] })
    expect(third.claims['client_id']).toBe('orders')
    expect(third.claims['txn']).toBe(first.claims['txn'])
  })

  it('a refresh token for a machine', async () => {
    const subject_token = await sts.subjectToken({ sub: 'orders', client_id: 'orders' })
    const form = { subject_token, requested_token_type: tokenType.refreshToken }
    expectRefused(await sts.exchange(form), invalidRequest)
    const answer = await sts.exchange({ subject_token })
    expectIssued(answer)
    expect(answer.json).not.toHaveProperty('refresh_token')
  })

  it.each([5_000, 8_000, 12_000])('a subject token of %d characters is not dropped', async length => {
    const subject_token = await sts.subjectToken({ padding: 'x'.repeat(Math.floor(length * 0.75)) })
    expect(subject_token.length).toBeGreaterThan(length)
    expectIssued(await sts.exchange({ subject_token }), { subject: 'alice' })
  })

  it('a subject token that is too long is refused, not dropped', async () => {
    const subject_token = await sts.subjectToken({ padding: 'x'.repeat(20_000) })
    expectRefused(await sts.exchange({ subject_token }), invalidRequest, { subject: undefined })
  })

  it('facts of one request do not appear in the record of the next', async () => {
    expectIssued(await sts.exchange(), { client: 'orders', subject: 'alice' })
    expectRefused(await sts.post({}, undefined), invalidClient, {
      client: undefined,
      subject: undefined,
      audience: undefined,
      scope: undefined,
      grantType: undefined,
      subjectFingerprint: undefined,
      actors: [],
    })
  })

  it('a subject of one issuer is told from the namesake of another', async () => {
    const { claims } = await sts.exchange()
    expect(claims['sub_id']).toEqual({ format: 'iss_sub', iss: sts.login.issuer, sub: 'alice' })
  })

  it('texts of the request do not reach the record', async () => {
    const form = { scope: 'canary-scope', audience: 'canary', grant_type: 'canary' }
    expectRefused(await sts.exchange(form), [400, 'unsupported_grant_type'])
    expectRefused(await sts.exchange({ scope: 'canary:scope orders:read' }), invalidScope, {
      scope: 'orders:read',
    })
    expectRefused(await sts.exchange({ audience: 'canary' }), invalidTarget)
    expectRefused(await sts.exchange({ requested_token_type: 'canary' }), invalidRequest)
    expectRefused(await sts.exchange({ subject_token: 'canary.canary.canary' }), invalidRequest)
    expectRefused(await sts.exchange({}, basic('canary', 'canary')), invalidClient)
    expectIssued(await sts.exchange())
  })
})
