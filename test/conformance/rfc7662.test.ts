import { beforeEach, describe, expect, it } from 'vitest'
import { type RevocationStore, RevocationStoreError } from '../../src/sts/revocation-store.ts'
import { createSigner } from '../../src/sts/signer.ts'
import { generateSigningKey } from '../../src/sts/signing-keys.ts'
import { asBilling, asIdle, asOrders, issueFamily, type TokenFamily } from '../support/token-family.ts'
import {
  basic,
  createTestTokenService,
  decodeClaims,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

const signer = createSigner([generateSigningKey()])
let sts: TestTokenService
let family: TokenFamily

beforeEach(async () => {
  sts = await createTestTokenService({ signer })
  family = await issueFamily(sts)
})

const introspect = (token: string, authorization = asBilling) =>
  sts.ask('/introspect', { token }, { authorization })

/** A token of the service for `billing`, with claims replaced or (undefined) removed. */
function ownToken(claims: Record<string, unknown> = {}, type = 'at+jwt', by = signer): string {
  const now = sts.clock.now()
  const usual = {
    iss: tokenServiceIssuer,
    sub: 'alice',
    aud: 'billing',
    client_id: 'orders',
    iat: now,
    exp: now + 60,
    jti: 'j1',
  }
  return by.sign({ ...usual, ...claims }, type)
}

describe('RFC 7662: introspection', () => {
  it('§2.1 takes a form by POST', async () => {
    const path = '/sts/introspect'
    expect(await sts.send({ path, method: 'GET', query: `token=${family.parent}` })).toMatchObject({
      status: 405,
      headers: { allow: 'POST' },
    })
    const json = new Map([['content-type', ['application/json']]])
    expect(await sts.send({ path, headers: json, body: '{}' })).toMatchObject({ status: 400 })
    expect(await sts.send({ path, query: `token=${family.parent}` })).toMatchObject({ status: 400 })
  })

  it('§2.1 needs a token', async () => {
    const answer = await sts.ask('/introspect', { token_type_hint: 'access_token' })
    expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      endpoint: 'introspection',
      client: 'orders',
      error: 'invalid_request',
    })
  })

  it.each(['access_token', 'refresh_token', 'saml', ''])(
    '§2.1 takes %j as a hint and no more',
    async hint => {
      const form = { token: family.parent, token_type_hint: hint }
      expect((await sts.ask('/introspect', form)).json).toMatchObject({ active: true })
    },
  )

  it.each([
    ['no credentials', undefined],
    ['a wrong secret', basic('billing', 'wrong')],
    ['an unknown client', basic('nobody', 'secret')],
    ['the token itself', 'Bearer x'],
  ])('§2.1, §2.3 says nothing to a caller with %s', async (_, authorization) => {
    const answer = await sts.ask('/introspect', { token: family.parent }, { authorization })
    expect(answer).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    expect(answer.headers['www-authenticate']).toMatch(/^Basic /)
    expect(answer.json).not.toHaveProperty('active')
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      endpoint: 'introspection',
      error: 'invalid_client',
    })
  })

  it('§2.1 takes a client assertion, once', async () => {
    const form = {
      token: family.child,
      client_assertion: await sts.assertion(),
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    }
    expect((await sts.ask('/introspect', form, { authorization: undefined })).json).toMatchObject({
      active: true,
    })
    expect((await sts.ask('/introspect', form, { authorization: undefined })).status).toBe(401)
  })

  it('§2.2 says of a good token what the token says, and that nobody may keep the answer', async () => {
    const answer = await introspect(family.parent)
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' },
    })
    expect(answer.json).toEqual({ ...decodeClaims(family.parent), active: true, token_type: 'Bearer' })
    expect(answer.json).toMatchObject({
      iss: tokenServiceIssuer,
      sub: 'alice',
      aud: 'billing',
      client_id: 'orders',
      scope: 'orders:read',
      act: { sub: 'orders', iss: tokenServiceIssuer },
      txn: expect.any(String),
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: expect.any(Number),
    })
  })

  it('§2.2 says what other RFCs add, where the token has it, and nothing of what it descends from', async () => {
    const more = {
      acr: 'mfa',
      auth_time: 1_700_000_000,
      may_act: { sub: 'billing' },
      case_id: 'CASE-1',
      cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' },
      lineage: 'x'.repeat(16),
      // Members of the answer are the service's to say.
      active: 'no',
      token_type: 'N_A',
    }
    const { json } = await introspect(ownToken(more))
    const { lineage: _, ...told } = more
    expect(json).toMatchObject({ ...told, active: true, token_type: 'Bearer' })
    expect(json).not.toHaveProperty('lineage')
    expect((await introspect(family.child, asOrders)).json).not.toHaveProperty('lineage')
  })

  it('§2.2 says that a token is bound to a proof of possession (RFC 9449 §6.2)', async () => {
    const { json } = await introspect(
      ownToken({ cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }),
    )
    expect(json).toMatchObject({ active: true, token_type: 'DPoP' })
  })

  it('§2.2 answers the one that the token is for, also by another name, and the one that it was issued to', async () => {
    expect((await introspect(family.parent, asBilling)).json).toMatchObject({ active: true })
    expect((await introspect(family.parent, asOrders)).json).toMatchObject({ active: true })
    expect((await introspect(family.child, asIdle)).json).toMatchObject({ active: true })
    expect((await introspect(family.child, asBilling)).json).toMatchObject({ active: true })
  })

  it('§2.2 records no good answer, which comes with every request of a resource server', async () => {
    const before = sts.events.length
    await introspect(family.parent)
    expect(sts.events).toHaveLength(before)
  })

  const stranger = createSigner([generateSigningKey()])
  it.each<[string, () => string | Promise<string>, string]>([
    ['of somebody else', () => family.parent, 'it is not for this client'],
    [
      'that has ended',
      () => ownToken({ aud: 'orders', exp: sts.clock.now(), iat: sts.clock.now() - 60 }),
      'expired',
    ],
    [
      'that ended long ago',
      () => ownToken({ exp: sts.clock.now() - 60, iat: sts.clock.now() - 120 }),
      'expired',
    ],
    ['of the future', () => ownToken({ aud: 'orders', iat: sts.clock.now() + 30 }), 'iat is in the future'],
    ['of another issuer', () => sts.subjectToken(), 'it is from another issuer'],
    [
      'with a foreign key',
      () => ownToken({ aud: 'orders' }, 'at+jwt', stranger),
      'its key and alg are none of here',
    ],
    ['with another payload', () => swapClaims(family.child), 'the signature does not verify'],
    ['that is no access token', () => ownToken({ aud: 'orders' }, 'txntoken+jwt'), 'is not accepted'],
    ['that is an introspection answer', () => ownToken({ token_introspection: {} }), 'another kind of token'],
    [
      'without an id',
      () => ownToken({ aud: 'orders', jti: undefined }),
      'it does not say what it descends from',
    ],
    ['that is no token', () => 'canary', 'not three parts'],
    ['that is too long', () => `${'e'.repeat(20_000)}`, 'longer than'],
  ])('§2.2 says only `active: false` of a token %s, and records why', async (_, make, detail) => {
    const answer = await introspect(await make(), asIdle)
    expect(answer.status).toBe(200)
    expect(answer.body).toBe('{"active":false}')
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store' })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'inactive',
      endpoint: 'introspection',
      client: 'idle',
      error: undefined,
      detail: expect.stringContaining(detail),
    })
    expect(JSON.stringify(sts.lastEvent())).not.toContain('canary')
  })

  it('§2.2 says `active: false` from the second on in which a token ends', async () => {
    const token = ownToken({ exp: sts.clock.now() + 10 })
    sts.clock.advanceMs(9_999)
    expect((await introspect(token)).json).toMatchObject({ active: true })
    sts.clock.advanceMs(1)
    expect((await introspect(token)).body).toBe('{"active":false}')
  })

  it('§2.2 says `active: false` of a token that was revoked', async () => {
    await sts.ask('/revoke', { token: family.parent })
    expect((await introspect(family.parent)).body).toBe('{"active":false}')
    expect(sts.lastEvent()).toMatchObject({ kind: 'inactive', detail: 'revoked', client: 'billing' })
  })

  it('§4 answers 503, and neither way, while nobody can say what was revoked', async () => {
    const revocations: RevocationStore = {
      revoke: () => Promise.reject(new RevocationStoreError('the store does not answer')),
      isRevoked: () => Promise.reject(new RevocationStoreError('the store does not answer')),
      close: async () => {},
    }
    sts = await createTestTokenService({ signer, revocations })
    const answer = await introspect(ownToken())
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      json: { error: 'temporarily_unavailable' },
    })
    expect(answer.json).not.toHaveProperty('active')
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      endpoint: 'introspection',
      error: 'temporarily_unavailable',
      detail: 'the store does not answer',
    })
  })
})

function swapClaims(token: string): string {
  const [header, , signature] = token.split('.')
  const claims = { ...decodeClaims(token), scope: 'orders:read orders:refund' }
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
}
