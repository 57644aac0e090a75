import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { grantType, jwtBearerClientAssertion } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { createMemoryRevocationStore } from '../../src/sts/memory-revocation-store.ts'
import { RevocationStoreError } from '../../src/sts/revocation-store.ts'
import type { TokenServiceEvent } from '../../src/sts/token-service-event.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { asOrders, machineClients } from '../support/machine-clients.ts'
import {
  basic,
  createTestTokenService,
  decodeClaims,
  decodeHeader,
  type FormParameters,
  type TestTokenService,
  type TokenAnswer,
} from '../support/token-service.ts'
import { encode } from '../support/tokens.ts'

// Whoever sits inside a trust domain sees Transaction Tokens, and wants one that says more than it does, or that is good
// for something else. Beside each attempt stands the honest request.

const trustDomain = 'shop.example'
const asBilling = basic('billing', 'billing-secret')

let sts: TestTokenService
beforeEach(async () => {
  sts = await start()
})

afterEach(() => {
  expect(JSON.stringify(sts.events)).not.toMatch(/eyJ[\w-]*\./)
})

const start = (options: Parameters<typeof createTestTokenService>[0] = {}) =>
  createTestTokenService({
    clients: machineClients(),
    rules: { audience: ['orders', 'billing', 'shop-web', trustDomain] },
    config: { transactionDomain: trustDomain },
    ...options,
  })

const transaction: FormParameters = {
  grant_type: grantType.tokenExchange,
  requested_token_type: tokenType.transaction,
  audience: trustDomain,
  scope: 'orders:read',
}

async function issue(changes: FormParameters = {}): Promise<string> {
  const subject = await sts.subjectToken()
  const form = {
    ...transaction,
    subject_token: subject,
    subject_token_type: tokenType.accessToken,
    ...changes,
  }
  return String((await sts.post(form, asOrders)).json['access_token'])
}

const replace = (token: string, changes: FormParameters = {}) =>
  sts.post(
    { ...transaction, subject_token: token, subject_token_type: tokenType.transaction, ...changes },
    asBilling,
  )

function expectRefused(answer: TokenAnswer, error: string, event: Partial<TokenServiceEvent> = {}): void {
  expect(answer).toMatchObject({ json: { error } })
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error, tokenId: undefined, ...event })
}

function expectIssued(answer: TokenAnswer): void {
  expect(answer.status).toBe(200)
  expect(sts.lastEvent()).toMatchObject({ kind: 'issued', tokenId: answer.claims['jti'] })
}

describe('H02: a Transaction Token as the subject of an ordinary exchange', () => {
  it.each([tokenType.accessToken, tokenType.jwt, tokenType.transaction])(
    'H02 presented as %s',
    async type => {
      const token = await issue()
      const ordinary = { audience: 'ledger', scope: 'orders:read', subject_token_type: type }
      expectRefused(await sts.exchange({ ...ordinary, subject_token: token }, asBilling), 'invalid_request')
      const access = await sts.subjectToken({ aud: 'billing' })
      const honest = { ...ordinary, subject_token_type: tokenType.accessToken, subject_token: access }
      expectIssued(await sts.exchange(honest, asBilling))
    },
  )

  it('H02 presented as an access token for another Transaction Token', async () => {
    const token = await issue()
    expectRefused(await replace(token, { subject_token_type: tokenType.accessToken }), 'invalid_request')
    expectIssued(await replace(token))
  })

  it('H02 an access token presented as a Transaction Token', async () => {
    const access = await sts.exchange({ audience: trustDomain, scope: 'orders:read' }, asOrders)
    expectIssued(access)
    expectRefused(await replace(String(access.json['access_token'])), 'invalid_request')
    expectIssued(await replace(await issue()))
  })
})

describe('H08: one kind of token where another belongs', () => {
  it('H08 a Transaction Token as a client assertion', async () => {
    const token = await issue()
    const form = {
      ...transaction,
      subject_token: await sts.subjectToken(),
      subject_token_type: tokenType.accessToken,
      client_assertion_type: jwtBearerClientAssertion,
      client_assertion: token,
    }
    expectRefused(await sts.post(form, undefined), 'invalid_client')
  })

  it('H08 a Transaction Token or an access token as a bearer assertion', async () => {
    const access = await sts.exchange({ audience: 'billing', scope: 'orders:read' }, asOrders)
    for (const assertion of [await issue(), String(access.json['access_token'])]) {
      const form = { grant_type: grantType.jwtBearer, assertion, audience: 'orders-api' }
      expectRefused(await sts.post(form, asOrders), 'invalid_grant', { subject: undefined })
    }
  })

  it('H08 a Transaction Token has neither the type nor the client of an access token', async () => {
    const token = await issue()
    expect(decodeHeader(token)['typ']).toBe('txntoken+jwt')
    expect(decodeClaims(token)).not.toHaveProperty('client_id')
    const asked = await sts.send({
      path: '/sts/introspect',
      headers: new Map([
        ['content-type', ['application/x-www-form-urlencoded']],
        ['authorization', [asOrders]],
      ]),
      body: new URLSearchParams({ token }).toString(),
    })
    expect(asked.json).toEqual({ active: false })
  })
})

describe('H10: a replacement that says something else', () => {
  it('H10 another transaction, subject or audience', async () => {
    const token = await issue({ request_details: '{"order":"1"}' })
    const before = decodeClaims(token)
    const forged = { txn: 'x', sub: 'admin', aud: 'x', req_wl: 'x', iss: 'x' }
    const answer = await replace(token, { ...forged, request_context: JSON.stringify(forged) })
    expectIssued(answer)
    for (const claim of ['txn', 'sub', 'aud', 'iss', 'sub_id']) {
      expect(answer.claims[claim]).toEqual(before[claim])
    }
    expectRefused(await replace(token, { audience: 'ledger' }), 'invalid_target', { subject: undefined })
    expectRefused(await replace(token, { request_details: '{"order":"2"}' }), 'invalid_request', {
      subject: 'alice',
    })
  })

  it('H10 more scope, also what the access token once held', async () => {
    const token = await issue()
    expectRefused(await replace(token, { scope: 'orders:refund' }), 'invalid_scope', { client: 'billing' })
    expectRefused(await replace(token, { scope: 'orders:read orders:refund' }), 'invalid_scope')
    expectRefused(await replace(token, { scope: undefined }), 'invalid_scope')
    expectIssued(await replace(token))
  })

  it('H10 of one that has expired, leeway or not', async () => {
    const token = await issue()
    const expiresAt = Number(decodeClaims(token)['exp'])
    sts.clock.advanceMs((expiresAt - sts.clock.now() - 2) * 1000)
    expectIssued(await replace(token))
    sts.clock.advanceMs(3_000)
    expectRefused(await replace(token), 'invalid_request')
    sts.clock.advanceMs(10_000)
    expectRefused(await replace(token), 'invalid_request', { subject: undefined })
  })

  it('H10 of one that was changed, or signed by somebody else', async () => {
    const token = await issue()
    const [header, , signature] = token.split('.')
    const claims = { ...decodeClaims(token), sub: 'admin' }
    const changed = [header, encode(JSON.stringify(claims)), signature].join('.')
    expectRefused(await replace(changed), 'invalid_request', { subject: undefined })
    const foreign = await sts.login.sign(
      { ...decodeClaims(token), client_id: undefined },
      { typ: 'txntoken+jwt' },
    )
    expectRefused(await replace(foreign), 'invalid_request', { subject: undefined })
    expectIssued(await replace(token))
  })

  it('H10 of one that descends from a revoked token, and while nobody can say', async () => {
    const clock = createFakeClock(sts.clock.now())
    const store = createMemoryRevocationStore(clock)
    let isDown = false
    const revocations = {
      ...store,
      isRevoked: (marks: readonly string[]) =>
        isDown ? Promise.reject(new RevocationStoreError('down')) : store.isRevoked(marks),
    }
    sts = await start({ revocations })
    const access = await sts.exchange({ audience: 'billing', scope: 'orders:read' }, asOrders)
    const ownToken = String(access.json['access_token'])
    const form = { ...transaction, subject_token: ownToken, subject_token_type: tokenType.accessToken }
    const token = String((await sts.post(form, asBilling)).json['access_token'])
    expectIssued(await replace(token))
    isDown = true
    expectRefused(await replace(token), 'temporarily_unavailable')
    isDown = false
    await sts.send({
      path: '/sts/revoke',
      headers: new Map([
        ['content-type', ['application/x-www-form-urlencoded']],
        ['authorization', [asOrders]],
      ]),
      body: new URLSearchParams({ token: ownToken }).toString(),
    })
    expectRefused(await replace(token), 'invalid_request')
  })

  it('H10 the response is no bearer token and refreshes nothing', async () => {
    const { json } = await replace(await issue())
    expect(json['token_type']).toBe('N_A')
    expect(json).not.toHaveProperty('refresh_token')
  })
})

describe('a Transaction Token that was revoked', () => {
  it('is replaced no more, and nobody but its requester may revoke it', async () => {
    const [token, spare] = [await issue(), await issue()]
    const stranger = await sts.ask('/revoke', { token }, { authorization: asBilling })
    expectRefused(stranger, 'unauthorized_client', { endpoint: 'revocation', client: 'billing' })
    expectIssued(await replace(token))
    expect((await sts.ask('/revoke', { token }, { authorization: asOrders })).status).toBe(200)
    expect(sts.lastEvent()).toMatchObject({ kind: 'revoked', client: 'orders', audience: trustDomain })
    expectRefused(await replace(token), 'invalid_request', { detail: 'subject token: revoked' })
    expectIssued(await replace(spare))
  })

  it('takes its replacements with it, and is no access token to ask about', async () => {
    const token = await issue()
    const replacement = String((await replace(token)).json['access_token'])
    const asked = await sts.ask('/introspect', { token: replacement }, { authorization: asBilling })
    expect(asked.json).toEqual({ active: false })
    await sts.ask('/revoke', { token }, { authorization: asOrders })
    expectRefused(await replace(replacement), 'invalid_request', { detail: 'subject token: revoked' })
  })
})
