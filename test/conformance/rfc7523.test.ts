import { beforeEach, describe, expect, it } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { ReplayStoreError } from '../../src/sts/replay-store.ts'
import { asOrders, asWorker, machineClients } from '../support/machine-clients.ts'
import { parseTestPolicy } from '../support/policy.ts'
import {
  basic,
  createTestTokenService,
  type FormParameters,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'
import { createTestIssuer } from '../support/tokens.ts'

// RFC 7523 §2.1 with RFC 7521 §4.1 and RFC 10070: JWT assertions as grants.

let sts: TestTokenService
beforeEach(async () => {
  sts = await createTestTokenService({ clients: machineClients() })
})

type Claims = Record<string, unknown>

function assertion(claims: Claims = {}, header: Claims = {}): Promise<string> {
  const now = sts.clock.now()
  const defaults = {
    aud: tokenServiceIssuer,
    client_id: undefined,
    iat: now,
    exp: now + 120,
    scope: 'orders:read',
  }
  return sts.login.sign({ ...defaults, ...claims }, { typ: 'JWT', ...header })
}

async function ask(claims: Claims = {}, changes: FormParameters = {}, header: Claims = {}) {
  const form = { grant_type: grantType.jwtBearer, audience: 'orders-api', scope: 'orders:read' }
  return sts.post({ ...form, assertion: await assertion(claims, header), ...changes }, asOrders)
}

describe('§2.1 an assertion as a grant', () => {
  it('gives a token for its subject, with the client as the actor', async () => {
    const { status, claims, json } = await ask({ acr: 'mfa', act: { sub: 'desk' } })
    expect(status).toBe(200)
    expect(json).not.toHaveProperty('issued_token_type')
    expect(claims).toMatchObject({
      iss: tokenServiceIssuer,
      sub: 'alice',
      client_id: 'orders',
      aud: 'orders-api',
      scope: 'orders:read',
      act: { sub: 'orders', iss: tokenServiceIssuer, act: { sub: 'desk' } },
      sub_id: { format: 'iss_sub', iss: sts.login.issuer, sub: 'alice' },
      acr: 'mfa',
    })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'issued',
      grantType: grantType.jwtBearer,
      client: 'orders',
      subject: 'alice',
      issuer: sts.login.issuer,
      actors: ['orders', 'desk'],
    })
  })

  it('lives no longer than the assertion', async () => {
    expect((await ask({ exp: sts.clock.now() + 20 })).json['expires_in']).toBe(20)
  })

  it('is required', async () => {
    expect(await ask({}, { assertion: undefined })).toMatchObject({ json: { error: 'invalid_request' } })
    expect(await ask({}, { assertion: 'eyJ' })).toMatchObject({ json: { error: 'invalid_grant' } })
  })

  it('is no grant that a client has without being configured with it', async () => {
    for (const authorization of [asWorker, basic('billing', 'billing-secret')]) {
      const form = { grant_type: grantType.jwtBearer, audience: 'ledger', assertion: await assertion() }
      expect(await sts.post(form, authorization)).toMatchObject({ json: { error: 'unauthorized_client' } })
    }
  })

  it('grants no scope that it does not hold, and none when it holds none', async () => {
    for (const claims of [{ scope: 'orders:read' }, { scope: undefined }]) {
      expect(await ask(claims, { scope: 'orders:refund' })).toMatchObject({
        json: { error: 'invalid_scope' },
      })
    }
    expect((await ask({ scope: undefined }, { scope: undefined })).claims).not.toHaveProperty('scope')
  })

  it.each([['ledger'], [undefined]])('grants no audience that is not for the client: %s', async audience => {
    expect(await ask({}, { audience })).toMatchObject({ json: { error: 'invalid_target' } })
  })
})

describe('§3 what is checked', () => {
  it.each<[string, () => Claims]>([
    ['aud is the issuer', () => ({ aud: tokenServiceIssuer })],
    ['aud is the issuer, in a list', () => ({ aud: [tokenServiceIssuer] })],
    ['aud is the token endpoint (RFC 10070)', () => ({ aud: `${tokenServiceIssuer}/token` })],
    ['client_id is the client', () => ({ client_id: 'orders' })],
    ['may_act names the client', () => ({ may_act: { sub: 'orders' } })],
  ])('accepted: %s', async (_, claims) => {
    expect((await ask(claims())).status).toBe(200)
  })

  it.each<[string, () => Claims, Claims?]>([
    ['aud is another server', () => ({ aud: 'https://other.example' })],
    ['aud is the client', () => ({ aud: 'orders' })],
    ['aud is missing', () => ({ aud: undefined })],
    ['iss is nobody known', () => ({ iss: 'https://evil.example' })],
    ['iss is the token service itself', () => ({ iss: tokenServiceIssuer })],
    ['iss is missing', () => ({ iss: undefined })],
    ['sub is missing', () => ({ sub: undefined })],
    ['exp is missing', () => ({ exp: undefined })],
    ['it has expired', () => ({ iat: sts.clock.now() - 60, exp: sts.clock.now() - 6 })],
    ['it lives longer than five minutes', () => ({ exp: sts.clock.now() + 301 })],
    ['iat is in the future', () => ({ iat: sts.clock.now() + 60 })],
    ['nbf is in the future', () => ({ nbf: sts.clock.now() + 60 })],
    ['jti is missing', () => ({ jti: undefined })],
    ['it is for another client', () => ({ client_id: 'billing' })],
    ['may_act names another', () => ({ may_act: { sub: 'billing' } })],
    ['it is bound to a key', () => ({ cnf: { jkt: 'x' } })],
    ['it is an access token', () => ({}), { typ: 'at+jwt' }],
    ['it is a client assertion', () => ({}), { typ: 'client-authentication+jwt' }],
    ['it is a logout token', () => ({}), { typ: 'logout+jwt' }],
    ['it is an ID token', () => ({ nonce: 'n' })],
    ['it is not signed', () => ({}), { alg: 'none' }],
  ])('refused: %s', async (_, claims, header = {}) => {
    expect(await ask(claims(), {}, header)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
    expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error: 'invalid_grant', tokenId: undefined })
  })

  it('refused: somebody else signed it', async () => {
    const other = await createTestIssuer({ issuer: sts.login.issuer })
    const forged = await other.sign({ aud: tokenServiceIssuer }, { typ: 'JWT' })
    expect(await ask({}, { assertion: forged })).toMatchObject({ json: { error: 'invalid_grant' } })
  })
})

describe('an assertion is good once', () => {
  it('whichever client presents it again, and however it is asked for', async () => {
    const once = await assertion({ jti: 'a' })
    expect((await ask({}, { assertion: once })).status).toBe(200)
    expect(await ask({}, { assertion: once, scope: undefined })).toMatchObject({
      json: { error: 'invalid_grant', error_description: 'the assertion was used before' },
    })
    expect((await ask({ jti: 'b' })).status).toBe(200)
  })

  it('also in the seconds after its end in which a slow clock would still take it', async () => {
    const rules = { leewaySeconds: 300 }
    sts = await createTestTokenService({ clients: machineClients(), rules })
    const once = await assertion({ exp: sts.clock.now() + 10 })
    expect((await ask({}, { assertion: once })).status).toBe(200)
    sts.clock.advanceMs(300_000)
    expect(await ask({}, { assertion: once })).toMatchObject({
      json: { error_description: 'the assertion was used before' },
    })
  })

  it('and is not used up by a request that is refused', async () => {
    const once = await assertion()
    expect((await ask({}, { assertion: once, scope: 'orders:refund' })).status).toBe(400)
    expect((await ask({}, { assertion: once })).status).toBe(200)
  })

  it('and is refused while nobody can say whether it was used', async () => {
    const replay = { use: () => Promise.reject(new ReplayStoreError('down')), close: async () => {} }
    sts = await createTestTokenService({ clients: machineClients(), replay })
    expect(await ask()).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } })
  })
})

describe('with a policy', () => {
  it('a rule for delegation decides, for the subject of the assertion', async () => {
    const policy = parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read, orders:refund], served_by: [orders] } }
rules:
  - { id: alice-only, who: { kind: [service] }, for: { subject: [alice] }, into: own, ttl: 10s }
`)
    const config = { policy, environment: undefined }
    sts = await createTestTokenService({ clients: machineClients(), config })
    expect((await ask()).json['expires_in']).toBe(10)
    expect(await ask({ sub: 'bob' })).toMatchObject({ json: { error: 'access_denied' } })
    expect(sts.lastEvent()).toMatchObject({
      subject: 'bob',
      detail: 'rule alice-only came closest; it lacks the subject',
    })
  })
})
