import { beforeAll, describe, expect, it } from 'vitest'
import { fail, ok } from '../../../../src/base/result.ts'
import { Secret } from '../../../../src/base/secret.ts'
import { checkIssuedToken, type IssuedTokenRules } from '../../../../src/hop/exchange/contract.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import type { KeySet } from '../../../../src/tokens/key-set.ts'
import { permittedRequest } from '../../../support/exchange-request.ts'
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
