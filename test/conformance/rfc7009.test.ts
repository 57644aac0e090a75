import { beforeEach, describe, expect, it } from 'vitest'
import { type RevocationStore, RevocationStoreError } from '../../src/sts/revocation-store.ts'
import { createSigner } from '../../src/sts/signer.ts'
import { generateSigningKey } from '../../src/sts/signing-keys.ts'
import { asBilling, asOrders, issueFamily, type TokenFamily } from '../support/token-family.ts'
import {
  basic,
  createTestTokenService,
  decodeClaims,
  type TestTokenService,
} from '../support/token-service.ts'

const signer = createSigner([generateSigningKey()])
let sts: TestTokenService
let family: TokenFamily

beforeEach(async () => {
  sts = await createTestTokenService({ signer })
  family = await issueFamily(sts)
})

const revoke = (token: string, authorization: string | undefined = asOrders) =>
  sts.ask('/revoke', { token }, { authorization })

async function whichAreActive(): Promise<(keyof TokenFamily)[]> {
  const active: (keyof TokenFamily)[] = []
  for (const name of ['parent', 'child', 'grandchild'] as const) {
    const { json } = await sts.ask('/introspect', { token: family[name] })
    if (json['active'] === true) active.push(name)
  }
  return active
}

const exchangeFrom = (token: string, authorization: string, audience: string) =>
  sts.exchange({ subject_token: token, audience }, authorization)

describe('RFC 7009: revocation', () => {
  it('§2.1 takes a form by POST, with a token in it', async () => {
    expect(await sts.send({ path: '/sts/revoke', method: 'GET' })).toMatchObject({
      status: 405,
      headers: { allow: 'POST' },
    })
    expect(await sts.ask('/revoke', {})).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
    expect(sts.lastEvent()).toMatchObject({ kind: 'refused', endpoint: 'revocation' })
  })

  it.each([
    ['no credentials', undefined],
    ['a wrong secret', basic('orders', 'wrong')],
  ])('§2.1, §2.2.1 does nothing for a caller with %s', async (_, authorization) => {
    const answer = await sts.ask('/revoke', { token: family.parent }, { authorization })
    expect(answer).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      endpoint: 'revocation',
      error: 'invalid_client',
    })
    expect(await whichAreActive()).toEqual(['parent', 'child', 'grandchild'])
  })

  it('§2.1 does nothing for a client that the token was not issued to, though it is for it', async () => {
    const answer = await revoke(family.parent, asBilling)
    expect(answer).toMatchObject({ status: 400, json: { error: 'unauthorized_client' } })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      endpoint: 'revocation',
      client: 'billing',
      subject: 'alice',
      error: 'unauthorized_client',
    })
    expect(await whichAreActive()).toEqual(['parent', 'child', 'grandchild'])
  })

  it.each(['access_token', 'refresh_token', 'unknown'])(
    '§2.1 takes %j as a hint and no more',
    async token_type_hint => {
      expect((await sts.ask('/revoke', { token: family.parent, token_type_hint })).status).toBe(200)
      expect(await whichAreActive()).not.toContain('parent')
    },
  )

  it('§2.2 answers 200 without a body, and records who revoked what', async () => {
    const answer = await revoke(family.parent)
    expect(answer).toMatchObject({ status: 200, body: '', headers: { 'cache-control': 'no-store' } })
    expect(answer.headers).not.toHaveProperty('content-type')
    const { jti, exp } = decodeClaims(family.parent)
    expect(sts.lastEvent()).toMatchObject({
      kind: 'revoked',
      endpoint: 'revocation',
      client: 'orders',
      subject: 'alice',
      audience: 'billing',
      tokenId: jti,
      expiresAt: exp,
      actors: ['orders'],
      error: undefined,
    })
  })

  it('§2.2 answers the same for a second time, and for what is no good token of this service', async () => {
    const done = await revoke(family.parent)
    expect(await revoke(family.parent)).toEqual(done)
    const foreign = await sts.subjectToken()
    for (const token of ['canary', foreign, `${family.child.slice(0, -8)}AAAAAAAA`]) {
      expect(await revoke(token)).toEqual(done)
      expect(sts.lastEvent()).toMatchObject({ kind: 'inactive', endpoint: 'revocation', client: 'orders' })
    }
    sts.clock.advanceMs(3_600_000)
    expect(await revoke(family.grandchild)).toEqual(done)
    expect(sts.lastEvent()).toMatchObject({ kind: 'inactive', detail: 'expired' })
    expect(JSON.stringify(sts.events)).not.toContain('canary')
  })

  it('§2.1 revokes with a token all that were exchanged from it, directly and further on', async () => {
    expect(await whichAreActive()).toEqual(['parent', 'child', 'grandchild'])
    await revoke(family.parent, asOrders)
    expect(await whichAreActive()).toEqual([])
  })

  it('leaves alive what a revoked token was exchanged from', async () => {
    await revoke(family.child, asBilling)
    expect(await whichAreActive()).toEqual(['parent'])
    await revoke(family.grandchild, asOrders)
    expect(await whichAreActive()).toEqual(['parent'])
    expect((await exchangeFrom(family.parent, asBilling, 'orders')).status).toBe(200)
  })

  it('leaves alive what was exchanged beside it from the same token', async () => {
    const { json } = await exchangeFrom(family.parent, asBilling, 'orders')
    const sibling = String(json['access_token'])
    await revoke(family.child, asBilling)
    expect((await sts.ask('/introspect', { token: sibling })).json).toMatchObject({ active: true })
    await revoke(family.parent, asOrders)
    expect((await sts.ask('/introspect', { token: sibling })).json).toEqual({ active: false })
  })

  it('ends every exchange of a revoked token and of its descendants, also of one that was exchanged before', async () => {
    expect((await exchangeFrom(family.parent, asBilling, 'orders')).status).toBe(200)
    expect((await exchangeFrom(family.child, asOrders, 'billing')).status).toBe(200)
    await revoke(family.parent, asOrders)
    for (const [token, by, audience] of [
      [family.parent, asBilling, 'orders'],
      [family.child, asOrders, 'billing'],
      [family.grandchild, asBilling, 'orders'],
    ] as const) {
      const answer = await exchangeFrom(token, by, audience)
      expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
      expect(answer.body).not.toContain('revoked')
      expect(sts.lastEvent()).toMatchObject({ kind: 'refused', detail: 'subject token: revoked' })
    }
  })

  it('keeps a token revoked for as long as any replica would still take it', async () => {
    await revoke(family.parent)
    const leewayMs = 5_000
    sts.clock.advanceMs(120_000 + leewayMs - 1)
    const answer = await exchangeFrom(family.parent, asBilling, 'orders')
    expect(sts.lastEvent()).toMatchObject({ kind: 'refused', detail: 'subject token: revoked' })
    expect(answer.status).toBe(400)
  })

  it('§2.2.1 answers 503 with Retry-After when the revocation could not be kept, and then exchanges nothing', async () => {
    const down = () => Promise.reject(new RevocationStoreError('the store does not answer'))
    const revocations: RevocationStore = { revoke: down, isRevoked: down, close: async () => {} }
    const unsure = await createTestTokenService({ signer, revocations })
    const answer = await unsure.ask('/revoke', { token: family.parent })
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      json: { error: 'temporarily_unavailable' },
    })
    expect(unsure.lastEvent()).toMatchObject({
      kind: 'refused',
      endpoint: 'revocation',
      error: 'temporarily_unavailable',
      subject: 'alice',
    })
    const exchanged = await unsure.exchange({ subject_token: family.parent, audience: 'orders' }, asBilling)
    expect(exchanged).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } })
    // A token of another issuer cannot have been revoked here, so nobody is asked.
    expect((await unsure.exchange()).status).toBe(200)
  })
})
