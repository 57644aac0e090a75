import { beforeEach, describe, expect, it } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { asOrders, machineClients } from '../support/machine-clients.ts'
import {
  basic,
  createTestTokenService,
  decodeClaims,
  decodeHeader,
  type FormParameters,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

// draft-ietf-oauth-transaction-tokens: what the token service issues as the Transaction Token Service of a trust domain.

const trustDomain = 'shop.example'
const asBilling = basic('billing', 'billing-secret')

let sts: TestTokenService
beforeEach(async () => {
  sts = await createTestTokenService({
    clients: machineClients(),
    config: { transactionDomain: trustDomain },
  })
})

const form: FormParameters = {
  grant_type: grantType.tokenExchange,
  requested_token_type: tokenType.transaction,
  subject_token_type: tokenType.accessToken,
  audience: trustDomain,
  scope: 'orders:read',
}

async function ask(changes: FormParameters = {}, authorization = asOrders) {
  const subject = 'subject_token' in changes ? {} : { subject_token: await sts.subjectToken() }
  return sts.post({ ...form, ...subject, ...changes }, authorization)
}

async function first(changes: FormParameters = {}): Promise<string> {
  return String((await ask({ scope: 'orders:read orders:refund', ...changes })).json['access_token'])
}

const replace = (token: string, changes: FormParameters = {}, authorization = asBilling) =>
  ask({ subject_token: token, subject_token_type: tokenType.transaction, ...changes }, authorization)

describe('the request', () => {
  it('gets a Transaction Token for an access token', async () => {
    const context = { request_context: '{"ip":"192.0.2.7"}', request_details: '{"order":"4711","sum":12.5}' }
    const { status, json, claims } = await ask(context)
    expect(status).toBe(200)
    expect(json).toEqual({
      access_token: expect.any(String),
      issued_token_type: tokenType.transaction,
      token_type: 'N_A',
      expires_in: 120,
      scope: 'orders:read',
    })
    expect(decodeHeader(String(json['access_token']))).toMatchObject({
      typ: 'txntoken+jwt',
      kid: expect.any(String),
    })
    expect(claims).toEqual({
      iss: tokenServiceIssuer,
      sub: 'alice',
      aud: trustDomain,
      txn: expect.any(String),
      scope: 'orders:read',
      req_wl: 'orders',
      act: { sub: 'orders', iss: tokenServiceIssuer },
      sub_id: { format: 'iss_sub', iss: sts.login.issuer, sub: 'alice' },
      rctx: { ip: '192.0.2.7' },
      tctx: { order: '4711', sum: 12.5 },
      iat: sts.clock.now(),
      exp: sts.clock.now() + 120,
      jti: expect.any(String),
    })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'issued',
      client: 'orders',
      subject: 'alice',
      audience: trustDomain,
      scope: 'orders:read',
      actors: ['orders'],
      tokenId: claims['jti'],
    })
  })

  it('goes on with the transaction of the access token', async () => {
    const subject = await sts.subjectToken({ txn: 't-1' })
    expect((await ask({ subject_token: subject })).claims).toMatchObject({ txn: 't-1' })
  })

  it.each<[string, FormParameters, string]>([
    ['scope is required', { scope: undefined }, 'invalid_scope'],
    ['scope is within that of the subject token', { scope: 'billing:read' }, 'invalid_scope'],
    ['audience is required', { audience: undefined }, 'invalid_target'],
    ['audience is the trust domain', { audience: 'orders-api' }, 'invalid_target'],
    ['audience is nothing beside it', { audience: [trustDomain, 'orders-api'] }, 'invalid_target'],
    ['no refresh token is a subject', { subject_token_type: tokenType.refreshToken }, 'invalid_request'],
    ['no ID token is a subject', { subject_token_type: tokenType.idToken }, 'invalid_request'],
    ['subject_token_type is required', { subject_token_type: undefined }, 'invalid_request'],
    ['nobody else acts', { actor_token: 'x', actor_token_type: tokenType.accessToken }, 'invalid_request'],
    ['request_context is an object', { request_context: '[1]' }, 'invalid_request'],
    ['request_context is JSON as it is, not base64', { request_context: 'e30' }, 'invalid_request'],
    ['request_details names a member once', { request_details: '{"a":1,"a":2}' }, 'invalid_request'],
    [
      'request_details is bounded',
      { request_details: JSON.stringify({ a: 'x'.repeat(4096) }) },
      'invalid_request',
    ],
  ])('%s', async (_, changes, error) => {
    expect(await ask(changes)).toMatchObject({ status: 400, json: { error } })
    expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error, tokenId: undefined })
  })

  it('is refused for a subject token without scope: unknown is none', async () => {
    const subject = await sts.subjectToken({ scope: undefined })
    expect(await ask({ subject_token: subject })).toMatchObject({ json: { error: 'invalid_scope' } })
  })

  it('is refused for an expired subject token, and never outlives one', async () => {
    const now = sts.clock.now()
    const old = await sts.subjectToken({ iat: now - 100, exp: now - 6 })
    expect(await ask({ subject_token: old })).toMatchObject({ json: { error: 'invalid_request' } })
    const short = await sts.subjectToken({ exp: now + 20 })
    expect((await ask({ subject_token: short })).json['expires_in']).toBe(20)
  })

  it('is refused for a subject token that was not meant for the client', async () => {
    const other = await sts.subjectToken({ aud: 'billing' })
    expect(await ask({ subject_token: other })).toMatchObject({ json: { error: 'invalid_request' } })
  })

  it('is for clients whose audience the trust domain is', async () => {
    const subject = await sts.subjectToken()
    const worker = basic('worker', 'worker-secret')
    expect((await ask({ subject_token: subject }, worker)).json['error']).toBe('unauthorized_client')
  })

  it('is not supported without a trust domain', async () => {
    sts = await createTestTokenService({ clients: machineClients() })
    expect(await ask()).toMatchObject({
      json: { error: 'invalid_request', error_description: 'requested_token_type is not supported' },
    })
  })
})

describe('a replacement', () => {
  it('may hold less scope and say more; transaction, subject and audience stay', async () => {
    const token = await first({ request_context: '{"ip":"192.0.2.7"}' })
    const answer = await replace(token, { request_context: '{"case":"7"}', request_details: '{"step":2}' })
    expect(answer.json).toMatchObject({ token_type: 'N_A', issued_token_type: tokenType.transaction })
    const before = decodeClaims(token)
    expect(answer.claims).toMatchObject({
      txn: before['txn'],
      sub: 'alice',
      aud: trustDomain,
      sub_id: before['sub_id'],
      scope: 'orders:read',
      rctx: { ip: '192.0.2.7', case: '7' },
      tctx: { step: 2 },
    })
    expect(answer.claims['exp']).toBeLessThanOrEqual(Number(before['exp']))
  })

  it('keeps the chain of the workloads that asked', async () => {
    const answer = await replace(await first())
    expect(answer.claims).toMatchObject({
      req_wl: 'billing',
      act: { sub: 'billing', act: { sub: 'orders' } },
    })
    expect(sts.lastEvent()).toMatchObject({
      client: 'billing',
      subject: 'alice',
      actors: ['billing', 'orders'],
    })
  })

  it('is bounded by the depth of that chain', async () => {
    const config = { transactionDomain: trustDomain, maxActorDepth: 1 }
    sts = await createTestTokenService({ clients: machineClients(), config })
    expect(await replace(await first())).toMatchObject({ json: { error: 'invalid_request' } })
  })

  it('says the same again where it is told the same', async () => {
    const token = await first({ request_context: '{"ip":{"v4":"192.0.2.7"}}' })
    expect((await replace(token, { request_context: '{"ip":{"v4":"192.0.2.7"}}' })).status).toBe(200)
  })
})
