import { beforeEach, describe, expect, it } from 'vitest'
import { tokenType } from '../../src/oauth/token-type.ts'
import type { TokenServiceEvent } from '../../src/sts/token-service-event.ts'
import { parseTestPolicy } from '../support/policy.ts'
import {
  basic,
  billingSecret,
  createTestTokenService,
  type FormParameters,
  type TestTokenService,
  type TokenAnswer,
} from '../support/token-service.ts'

// What the tests of other token services expect, row by row: Keycloak's standard token exchange, Spring Authorization Server,
// ZITADEL, NAV's tokendings and texas, idpy-oidc. Where Hopgate answers otherwise it is stricter, and the row says how. As in
// Keycloak's suite each row asserts the audit event, not only the answer.

let sts: TestTokenService
beforeEach(async () => {
  sts = await createTestTokenService()
})

const asBilling = basic('billing', billingSecret)

function refused(
  answer: TokenAnswer,
  status: number,
  error: string,
  event: Partial<TokenServiceEvent> = {},
): void {
  expect(answer).toMatchObject({ status, json: { error } })
  expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error, tokenId: undefined, ...event })
}

function issued(answer: TokenAnswer, claims: Readonly<Record<string, unknown>>): void {
  expect(answer).toMatchObject({ status: 200, claims })
  expect(sts.lastEvent()).toMatchObject({ kind: 'issued', error: undefined, tokenId: answer.claims['jti'] })
}

const tokenOf = (answer: TokenAnswer): string => String(answer.json['access_token'])

describe('Keycloak', () => {
  it('a requester that is not in the audience of the subject token (400 here, 403 there; the same words)', async () => {
    const subject_token = await sts.subjectToken({ aud: 'billing' })
    refused(await sts.exchange({ subject_token }), 400, 'invalid_request', {
      client: 'orders',
      detail: 'client is not within the token audience',
    })
    issued(await sts.exchange(), { aud: 'orders-api' })
  })

  it('a client for which exchange is not enabled, and a public client', async () => {
    refused(await sts.exchange({}, basic('idle', 'idle-secret')), 400, 'unauthorized_client', {
      client: 'idle',
    })
    refused(await sts.exchange({ client_id: 'orders' }, undefined), 401, 'invalid_client')
  })

  it('an audience that nobody has, and one that the client may not have: not told apart', async () => {
    for (const audience of ['nowhere', 'ledger'])
      refused(await sts.exchange({ audience }), 400, 'invalid_target')
  })

  it('an audience that is asked for is the whole aud; a scope that does not serve it is refused, not dropped', async () => {
    issued(await sts.exchange({ audience: 'billing', scope: 'orders:read' }), {
      aud: 'billing',
      scope: 'orders:read',
    })
    refused(
      await sts.exchange({ audience: 'billing', scope: 'orders:read orders:refund' }),
      400,
      'invalid_scope',
    )
  })

  it.each(['admin', 'orders:read no:such', 'orders:read"', 'orders:read  orders:refund'])(
    'the scope %j, which is not allowed or does not exist',
    async scope => refused(await sts.exchange({ scope }), 400, 'invalid_scope'),
  )

  it('requested_token_type: access_token and jwt are issued, whatever else is refused', async () => {
    for (const type of [tokenType.accessToken, tokenType.jwt, undefined]) {
      const answer = await sts.exchange({ requested_token_type: type })
      issued(answer, { aud: 'orders-api' })
      expect(answer.json).not.toHaveProperty('refresh_token')
    }
    for (const type of [tokenType.idToken, tokenType.saml2, tokenType.refreshToken, 'urn:example:unknown']) {
      refused(await sts.exchange({ requested_token_type: type }), 400, 'invalid_request')
    }
  })

  it.each([tokenType.refreshToken, tokenType.idToken, tokenType.saml2, 'access_token'])(
    'a subject_token_type of %s',
    async type => refused(await sts.exchange({ subject_token_type: type }), 400, 'invalid_request'),
  )

  it('a subject token that is bound to a key', async () => {
    const subject_token = await sts.subjectToken({ cnf: { jkt: 'x' } })
    refused(await sts.exchange({ subject_token }), 400, 'invalid_request')
  })

  it('a chain A, B, A: each step is judged on the last token, the transaction is kept, the last requester is named', async () => {
    const first = await sts.exchange({ audience: 'billing', scope: 'orders:read' })
    const back = await sts.exchange(
      { subject_token: tokenOf(first), audience: 'orders', scope: 'orders:read' },
      asBilling,
    )
    const again = await sts.exchange({
      subject_token: tokenOf(back),
      audience: 'billing',
      scope: 'orders:read',
    })
    issued(again, {
      client_id: 'orders',
      txn: first.claims['txn'],
      act: { sub: 'orders', act: { sub: 'billing', act: { sub: 'orders' } } },
    })
    refused(await sts.exchange({ subject_token: tokenOf(first) }), 400, 'invalid_request')
  })

  it('a revoked subject token takes what was exchanged from it along, and not the other way round', async () => {
    const first = await sts.exchange({ audience: 'billing', scope: 'orders:read' })
    const next = await sts.exchange(
      { subject_token: tokenOf(first), audience: 'orders', scope: 'orders:read' },
      asBilling,
    )
    await sts.ask('/revoke', { token: tokenOf(next) }, { authorization: asBilling })
    const form = { subject_token: tokenOf(first), audience: 'orders', scope: 'orders:read' }
    issued(await sts.exchange(form, asBilling), { aud: 'orders' })
    const kept = await sts.exchange(form, asBilling)
    await sts.ask('/revoke', { token: tokenOf(first) })
    refused(await sts.exchange(form, asBilling), 400, 'invalid_request')
    refused(
      await sts.exchange({ subject_token: tokenOf(kept), audience: 'orders-api' }),
      400,
      'invalid_request',
    )
  })
})

describe('Spring Authorization Server', () => {
  it.each<[string, FormParameters]>([
    ['subject_token twice', { subject_token: ['a.b.c', 'a.b.c'] }],
    ['scope twice', { scope: ['orders:read', 'orders:read'] }],
    ['requested_token_type twice', { requested_token_type: [tokenType.jwt, tokenType.jwt] }],
    ['no subject_token', { subject_token: undefined }],
    ['no subject_token_type', { subject_token_type: undefined }],
    ['an actor_token without its type', { actor_token: 'a.b.c' }],
    ['an actor_token_type without a token', { actor_token_type: tokenType.accessToken }],
  ])('%s', async (_, form) => refused(await sts.exchange(form), 400, 'invalid_request'))

  it('a resource with a fragment', async () => {
    refused(await sts.exchange({ resource: 'https://billing.example.com/#x' }), 400, 'invalid_target')
  })

  it('the actor before is kept, inside the new one', async () => {
    const act = { sub: 'web', extra: 'kept' }
    issued(await sts.exchange({ subject_token: await sts.subjectToken({ act }) }), {
      act: { sub: 'orders', act },
    })
  })
})

describe('tokendings', () => {
  const policy = parseTestPolicy(`
clients: { orders: { kind: service }, billing: { kind: service } }
audiences: { orders-api: { scopes: [orders:read] }, billing: { scopes: [orders:read] } }
rules: [{ id: only, who: { client: [orders] }, for: { kind: [user] }, into: [orders-api] }]
`)

  it('a caller that is not listed for the target: one event with client and audience, and none of it in the next', async () => {
    sts = await createTestTokenService({ config: { policy } })
    refused(await sts.exchange({ audience: 'billing' }), 403, 'access_denied', {
      client: 'orders',
      audience: 'billing',
      subject: 'alice',
    })
    expect(sts.events).toHaveLength(1)
    refused(await sts.post({ grant_type: 'nonsense' }), 400, 'unsupported_grant_type', {
      audience: undefined,
      subject: undefined,
    })
    issued(await sts.exchange(), { aud: 'orders-api' })
  })
})

describe('idpy-oidc, ZITADEL and Keycloak once more', () => {
  it('who asks for no scope gets none', async () => {
    const answer = await sts.exchange({ scope: undefined })
    issued(answer, { aud: 'orders-api' })
    expect(answer.claims).not.toHaveProperty('scope')
    expect(answer.json['scope']).toBe('')
  })

  it('a resource that is nobody’s, or another audience’s', async () => {
    for (const resource of ['https://nowhere.example.com/', 'https://billing.example.com/']) {
      refused(await sts.exchange({ resource }), 400, 'invalid_target')
    }
    issued(
      await sts.exchange({ audience: 'billing', resource: 'https://billing.example.com/', scope: undefined }),
      {
        aud: 'billing',
      },
    )
  })

  it('a subject token of more than 4,000 characters is the subject, and one that is too long is refused: never passed over', async () => {
    const padded = (length: number) => sts.subjectToken({ padding: 'x'.repeat(length) })
    issued(await sts.exchange({ subject_token: await padded(6_000) }), { sub: 'alice' })
    refused(await sts.exchange({ subject_token: await padded(16_000) }), 400, 'invalid_request', {
      subject: undefined,
    })
  })

  it('a token that was issued to another client for another audience', async () => {
    const foreign = await sts.exchange({ audience: 'billing', scope: 'orders:read' })
    refused(
      await sts.exchange({ subject_token: tokenOf(foreign), audience: 'orders-api' }),
      400,
      'invalid_request',
    )
  })
})
