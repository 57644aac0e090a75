import { createLocalJWKSet, jwtVerify } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import {
  basic,
  billingSecret,
  createTestTokenService,
  decodeHeader,
  type FormParameters,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

// RFC 8693, OAuth 2.0 Token Exchange: what the token service answers, section by section.

let sts: TestTokenService
beforeEach(async () => {
  sts = await createTestTokenService()
})

const asBilling = basic('billing', billingSecret)

describe('§2.1 request', () => {
  it('exchanges a subject token for a token with another audience', async () => {
    const { status, claims } = await sts.exchange()
    expect(status).toBe(200)
    expect(claims).toMatchObject({ sub: 'alice', aud: 'orders-api', iss: tokenServiceIssuer })
  })

  describe('grant_type', () => {
    it.each<[string, FormParameters, string]>([
      ['is required', { grant_type: undefined }, 'invalid_request'],
      ['may not be empty', { grant_type: '' }, 'invalid_request'],
      ['must be the token exchange', { grant_type: 'client_credentials' }, 'unsupported_grant_type'],
      ['is case-sensitive', { grant_type: grantType.tokenExchange.toUpperCase() }, 'unsupported_grant_type'],
    ])('%s', async (_, form, error) => {
      expect(await sts.exchange(form)).toMatchObject({ status: 400, json: { error } })
    })
  })

  describe('subject_token and subject_token_type', () => {
    it.each<[string, FormParameters]>([
      ['subject_token is required', { subject_token: undefined }],
      ['subject_token may not be empty', { subject_token: '' }],
      ['subject_token_type is required', { subject_token_type: undefined }],
      ['subject_token_type may not be empty', { subject_token_type: '' }],
    ])('%s', async (_, form) => {
      expect(await sts.exchange(form)).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
    })

    it.each([tokenType.accessToken, tokenType.jwt])('%s is accepted', async type => {
      expect((await sts.exchange({ subject_token_type: type })).status).toBe(200)
    })

    it.each([
      tokenType.refreshToken,
      tokenType.idToken,
      tokenType.saml1,
      tokenType.saml2,
      'urn:ietf:params:oauth:token-type:txn_token',
      'access_token',
      'JWT',
    ])('%s is refused', async type => {
      expect(await sts.exchange({ subject_token_type: type })).toMatchObject({
        status: 400,
        json: { error: 'invalid_request', error_description: 'subject_token_type is not supported' },
      })
    })
  })

  describe('actor_token and actor_token_type', () => {
    it.each<[string, FormParameters]>([
      ['both', { actor_token: 'x', actor_token_type: tokenType.accessToken }],
      ['a token without its type', { actor_token: 'x' }],
      ['a type without its token', { actor_token_type: tokenType.accessToken }],
    ])('are refused, never passed over: %s', async (_, form) => {
      expect(await sts.exchange(form)).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
    })

    it('count as omitted when they are empty', async () => {
      expect((await sts.exchange({ actor_token: '', actor_token_type: '' })).status).toBe(200)
    })
  })

  describe('requested_token_type', () => {
    it.each([undefined, '', tokenType.accessToken, tokenType.jwt])('%j is issued', async type => {
      const { status, json } = await sts.exchange({ requested_token_type: type })
      expect(status).toBe(200)
      expect(json['issued_token_type']).toBe(type || tokenType.accessToken)
    })

    it.each([tokenType.refreshToken, tokenType.idToken, tokenType.saml1, tokenType.saml2, 'jwt', 'x:y'])(
      '%s is refused',
      async type => {
        expect(await sts.exchange({ requested_token_type: type })).toMatchObject({
          status: 400,
          json: { error: 'invalid_request', error_description: 'requested_token_type is not supported' },
        })
      },
    )
  })

  describe('audience and resource', () => {
    const ledger = 'https://api.example.com/ledger'
    it.each<[string, FormParameters, string]>([
      ['one audience', { audience: 'billing' }, 'billing'],
      ['one resource', { audience: undefined, resource: ledger }, ledger],
      ['both with one value', { audience: ledger, resource: ledger }, ledger],
      [
        'an audience and its resource',
        { audience: 'billing', resource: 'https://billing.example.com/' },
        'billing',
      ],
      ['an empty resource beside an audience', { audience: 'billing', resource: '' }, 'billing'],
    ])('may be %s', async (_, form, audience) => {
      expect((await sts.exchange(form)).claims['aud']).toBe(audience)
    })

    it.each<[string, FormParameters]>([
      ['no target', { audience: undefined }],
      ['an empty target', { audience: '' }],
      ['two audiences', { audience: ['orders-api', 'billing'] }],
      ['an audience and another resource', { audience: 'orders-api', resource: ledger }],
      [
        "an audience and another's resource",
        { audience: 'orders-api', resource: 'https://billing.example.com/' },
      ],
      ['a resource with a fragment', { audience: undefined, resource: `${ledger}#x` }],
      ['a relative resource', { audience: undefined, resource: '/ledger' }],
      ['an audience that nobody configured', { audience: 'payroll' }],
      ["another client's audience", { audience: 'ledger' }],
    ])('may not be %s', async (_, form) => {
      expect(await sts.exchange(form)).toMatchObject({ status: 400, json: { error: 'invalid_target' } })
    })
  })

  describe('scope', () => {
    it.each<[string, FormParameters, string]>([
      ['asked for', { scope: 'orders:read' }, 'orders:read'],
      ['asked for twice', { scope: 'orders:read orders:read' }, 'orders:read'],
      ['left out: none', { scope: undefined }, ''],
      ['empty: the same as left out', { scope: '' }, ''],
    ])('is granted as %s', async (_, form, scope) => {
      expect((await sts.exchange(form)).json['scope']).toBe(scope)
    })

    it.each([
      'profile',
      'billing:read',
      'Orders:Read',
      'orders',
      'orders:read admin',
      'orders:read\t',
      'a"b',
    ])('is refused as %j', async scope => {
      expect(await sts.exchange({ scope })).toMatchObject({ status: 400, json: { error: 'invalid_scope' } })
    })
  })

  it.each([
    'grant_type',
    'subject_token',
    'subject_token_type',
    'scope',
    'requested_token_type',
    'client_id',
  ])('does not take %s twice', async name => {
    const once = { scope: 'orders:read', requested_token_type: tokenType.jwt, client_id: 'orders' }
    const form: Record<string, string> = {
      grant_type: grantType.tokenExchange,
      subject_token: await sts.subjectToken(),
      subject_token_type: tokenType.accessToken,
      audience: 'orders-api',
      ...once,
    }
    expect((await sts.post(form)).status).toBe(200)
    const value = form[name] ?? ''
    expect(await sts.post({ ...form, [name]: [value, value] })).toMatchObject({
      status: 400,
      json: { error: 'invalid_request' },
    })
  })

  it('ignores parameters that it does not know (RFC 6749 §3.2)', async () => {
    expect((await sts.exchange({ x_trace: '1' })).status).toBe(200)
  })

  it('needs an authenticated client', async () => {
    expect(await sts.exchange({}, undefined)).toMatchObject({
      status: 401,
      json: { error: 'invalid_client' },
    })
  })
})

describe('§2.2.1 successful response', () => {
  it('has exactly the members that say what was issued', async () => {
    const { status, json, headers } = await sts.exchange({ scope: 'orders:read' })
    expect(status).toBe(200)
    expect(json).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      issued_token_type: tokenType.accessToken,
      token_type: 'Bearer',
      expires_in: 60,
      scope: 'orders:read',
    })
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      pragma: 'no-cache',
    })
  })

  it('says that the scope is empty when it is', async () => {
    const { json, claims } = await sts.exchange({
      subject_token: await sts.subjectToken({ scope: undefined }),
    })
    expect(json['scope']).toBe('')
    expect(claims).not.toHaveProperty('scope')
  })

  it('issues a token that an independent library verifies with the published keys', async () => {
    const { json } = await sts.exchange()
    const { json: jwks } = await sts.send({ method: 'GET', path: '/sts/jwks' })
    const keys = createLocalJWKSet({ keys: jwks['keys'] as [] })
    const { payload } = await jwtVerify(String(json['access_token']), keys, {
      issuer: tokenServiceIssuer,
      audience: 'orders-api',
      typ: 'at+jwt',
      algorithms: ['ES256'],
      currentDate: new Date(sts.clock.now() * 1000),
      requiredClaims: ['sub', 'client_id', 'iat', 'exp', 'jti'],
    })
    expect(payload['client_id']).toBe('orders')
    expect(decodeHeader(String(json['access_token']))['kid']).toMatch(/^[\w-]{43}$/)
  })
})

describe('§2.2.2 error response', () => {
  it('is JSON that is not kept, and says nothing of the token', async () => {
    const { status, json, headers } = await sts.exchange({ subject_token: 'not-a-token' })
    expect(status).toBe(400)
    expect(json).toEqual({
      error: 'invalid_request',
      error_description: 'the subject token is not acceptable',
    })
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' })
  })

  it('is the same for every way in which a subject token is bad', async () => {
    const { clock } = sts
    const bad = await Promise.all([
      sts.subjectToken({ iat: clock.now() - 120, exp: clock.now() - 60 }),
      sts.subjectToken({ iss: 'https://other.example.com' }),
      sts.subjectToken({ aud: 'somebody-else' }),
      sts.subjectToken({ nbf: clock.now() + 600 }),
      sts.subjectToken({}, { typ: 'logout+jwt' }),
      sts.subjectToken({}, { alg: 'none' }),
      sts.subjectToken({ cnf: { jkt: 'x' } }),
    ])
    const answers = await Promise.all(bad.map(subject_token => sts.exchange({ subject_token })))
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  })

  it('asks for Basic credentials when the client is not authenticated (RFC 6749 §5.2)', async () => {
    const { status, headers } = await sts.exchange({}, basic('orders', 'wrong'))
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toMatch(/^Basic realm=/)
  })

  it('asks the client to come back when keys could not be fetched', async () => {
    const cut = await createTestTokenService({ rules: { keys: { kind: 'discovery' } } })
    expect(await cut.exchange()).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } })
    await cut.service.close()
  })
})

describe('§4.1 act', () => {
  it('names the client that asked, at this issuer', async () => {
    const { claims } = await sts.exchange()
    expect(claims['act']).toEqual({ sub: 'orders', iss: tokenServiceIssuer })
    expect(claims['client_id']).toBe('orders')
  })

  it('keeps who acted before, in order, over several exchanges', async () => {
    const first = await sts.exchange({
      audience: 'billing',
      subject_token: await sts.subjectToken({ act: { sub: 'web', tenant: 't1' } }),
    })
    const second = await sts.exchange(
      { audience: 'orders', subject_token: String(first.json['access_token']) },
      asBilling,
    )
    const third = await sts.exchange({ subject_token: String(second.json['access_token']) })
    expect(third.claims).toMatchObject({
      sub: 'alice',
      client_id: 'orders',
      act: {
        sub: 'orders',
        iss: tokenServiceIssuer,
        act: { sub: 'billing', act: { sub: 'orders', act: { sub: 'web', tenant: 't1' } } },
      },
    })
    expect(sts.lastEvent().actors).toEqual(['orders', 'billing', 'orders', 'web'])
  })

  it('is not as deep as anybody likes', async () => {
    const deep = { sub: 'a', act: { sub: 'b', act: { sub: 'c', act: { sub: 'd' } } } }
    const allowed = await sts.exchange({ subject_token: await sts.subjectToken({ act: deep.act }) })
    expect(allowed.status).toBe(200)
    expect(await sts.exchange({ subject_token: await sts.subjectToken({ act: deep }) })).toMatchObject({
      status: 400,
      json: { error: 'invalid_request', error_description: 'the chain of actors is too deep' },
    })
  })

  it('does not let a nested actor decide: only the authenticated client counts', async () => {
    const subject_token = await sts.subjectToken({ act: { sub: 'web', act: { sub: 'orders' } } })
    expect((await sts.exchange({ subject_token })).claims['act']).toMatchObject({ sub: 'orders' })
  })
})

describe('§4.2 scope and §4.3 client_id', () => {
  it('are claims of the issued token, as text', async () => {
    const { claims } = await sts.exchange({ scope: 'orders:refund orders:read' })
    expect(claims).toMatchObject({ scope: 'orders:read orders:refund', client_id: 'orders' })
  })
})

describe('§4.4 may_act', () => {
  it.each<[unknown]>([
    [{ sub: 'orders' }],
    [{ sub: 'orders', iss: tokenServiceIssuer }],
    [{ client_id: 'orders' }],
  ])('%j lets the client act', async may_act => {
    const answer = await sts.exchange({ subject_token: await sts.subjectToken({ may_act }) })
    expect(answer.status).toBe(200)
    expect(answer.claims).not.toHaveProperty('may_act')
  })

  it.each<[unknown]>([
    [{ sub: 'billing' }],
    [{ sub: 'orders', iss: 'https://other.example.com' }],
    [{ sub: 'orders', email: 'x@example.com' }],
    [{}],
    ['orders'],
  ])('%j does not', async may_act => {
    const answer = await sts.exchange({ subject_token: await sts.subjectToken({ may_act }) })
    expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  })
})
