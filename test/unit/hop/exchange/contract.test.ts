import { beforeAll, describe, expect, it } from 'vitest'
import { fail, ok } from '../../../../src/base/result.ts'
import { Secret } from '../../../../src/base/secret.ts'
import { checkIssuedToken, type IssuedTokenRules } from '../../../../src/hop/exchange/contract.ts'
import { permitMachine } from '../../../../src/model/exchange-request.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import type { KeySet } from '../../../../src/tokens/key-set.ts'
import { permittedRequest } from '../../../support/exchange-request.ts'
import { aRoute, aVerifiedToken } from '../../../support/nouns.ts'
import { createTestIssuer, type TestIssuer } from '../../../support/tokens.ts'

/** What the fake server of `test/attacks/exchange-answers.test.ts` cannot show: keys that would fit, and none at all. */

const server = 'https://hub.test'
let signer: TestIssuer
beforeAll(async () => {
  signer = await createTestIssuer({ issuer: server })
})

/** Has the signer's key for whoever asks for ES256. */
const keys = (): KeySet => ({
  find: algorithm =>
    algorithm === 'ES256'
      ? ok({ keyId: 'k1', algorithm: 'ES256', publicKey: signer.privateKey, signatureBytes: 64 })
      : fail('unknown'),
  holds: () => true,
  isAvailable: () => true,
  warm: async () => {},
  close: () => {},
})

async function check(about: Partial<IssuedTokenRules> = {}) {
  const now = Date.now() / 1000
  const rules: IssuedTokenRules = {
    server,
    clientId: 'orders',
    actor: 'required',
    algorithms: ['ES256'],
    keys: keys(),
    marginSeconds: 10,
    ...about,
  }
  const token = await signer.sign({ aud: 'orders-api', scope: 'orders:read', act: { sub: 'orders' } })
  const answer = {
    token: new Secret(token),
    tokenType: 'Bearer',
    issuedTokenType: tokenType.accessToken,
    scope: undefined,
    expiresIn: 300,
  }
  return checkIssuedToken(answer, permittedRequest(), rules, now, now)
}

/** An answer to a request that the workload makes for itself. */
async function checkOwn(claims: Record<string, unknown> = {}, answer: Record<string, unknown> = {}) {
  const now = Date.now() / 1000
  const permit = { effect: 'permit', rule: 'r', mode: 'machine' } as const
  const request = permitMachine(aRoute({ mode: 'machine' }), aVerifiedToken(), permit)
  if (request === undefined) throw new Error('not permitted')
  const rules: IssuedTokenRules = {
    server,
    clientId: 'orders',
    actor: 'required',
    algorithms: ['ES256'],
    keys: keys(),
    marginSeconds: 10,
  }
  const own = { sub: 'orders', client_id: 'orders', aud: 'orders-api', scope: 'orders:read', ...claims }
  const said = {
    tokenType: 'Bearer',
    issuedTokenType: undefined,
    scope: undefined,
    expiresIn: 300,
    ...answer,
  }
  return checkIssuedToken({ ...said, token: new Secret(await signer.sign(own)) }, request, rules, now, now)
}

describe("the workload's own token", () => {
  it('is its own, and need not say what type it is', async () => {
    expect(await checkOwn()).toMatchObject({ ok: true, value: { audience: 'orders-api', actors: [] } })
    expect(await checkOwn({}, { issuedTokenType: tokenType.accessToken })).toMatchObject({ ok: true })
    expect(await checkOwn({ client_id: undefined })).toMatchObject({ ok: true })
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
    ['of somebody else', { sub: 'alice' }],
    ['of another client', { client_id: 'billing' }],
    ['in which somebody acts', { act: { sub: 'orders' } }],
    ['for another audience', { aud: 'billing-api' }],
    ['with more scope', { scope: 'orders:read orders:refund' }],
    ['of another kind', {}, { issuedTokenType: tokenType.refreshToken }],
    ['that is no bearer token', {}, { tokenType: 'N_A' }],
  ])('is refused: one %s', async (_, claims, answer) => {
    expect(await checkOwn(claims, answer)).toMatchObject({ error: { code: 'exchange.contract' } })
  })
})

describe('checkIssuedToken', () => {
  it('accepts a token that keeps every clause, and says what it is', async () => {
    expect(await check()).toMatchObject({
      ok: true,
      value: {
        audience: 'orders-api',
        scope: ['orders:read'],
        actors: ['orders'],
        tokenId: expect.any(String),
      },
    })
  })

  it('refuses an algorithm that is not allowed, even where a key fits it', async () => {
    expect(await check({ algorithms: ['RS256'] })).toMatchObject({ error: { code: 'exchange.contract' } })
  })

  it('is unavailable, not broken, while the keys cannot be had', async () => {
    const none: KeySet = { ...keys(), find: async () => fail('unavailable') }
    expect(await check({ keys: none })).toMatchObject({ error: { code: 'exchange.unavailable' } })
  })

  it.each(['unknown', 'ambiguous'] as const)('refuses a token whose key is %s', async failure => {
    const none: KeySet = { ...keys(), find: () => fail(failure) }
    expect(await check({ keys: none })).toMatchObject({ error: { code: 'exchange.contract' } })
  })
})
