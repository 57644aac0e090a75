import { describe, expect, it } from 'vitest'
import { fail, ok, type Result } from '../../../src/base/result.ts'
import { type Refusal, refusal } from '../../../src/model/refusal.ts'
import type { VerifiedToken } from '../../../src/model/verified-token.ts'
import { tokenMark } from '../../../src/sts/lineage.ts'
import { createMemoryRevocationStore } from '../../../src/sts/memory-revocation-store.ts'
import { refuseRevoked } from '../../../src/sts/refuse-revoked.ts'
import { type RevocationStore, RevocationStoreError } from '../../../src/sts/revocation-store.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const own = 'https://hub.example.com'
const clock = createFakeClock()

/** A verifier that has verified one token already, before a store. */
function verifierOf(verified: Result<VerifiedToken, Refusal>, revocations: RevocationStore) {
  const verifier = {
    recall: () => verified,
    verify: () => verified,
    warm: async () => {},
    isReady: () => true,
    close: () => {},
  }
  return refuseRevoked(verifier, { issuer: own, revocations })
}

const token = (claims: Record<string, unknown>, issuer = own): Result<VerifiedToken, Refusal> =>
  ok({ issuer, claims } as unknown as VerifiedToken)

async function storeWith(...tokenIds: string[]): Promise<RevocationStore> {
  const store = createMemoryRevocationStore(clock)
  for (const tokenId of tokenIds) await store.revoke(tokenMark(tokenId), clock.now() + 60)
  return store
}

const revoked = { ok: false, error: { code: 'token.invalid', detail: 'revoked' } }

describe('a verifier that refuses what was revoked', () => {
  it('refuses a token of this service that was revoked, and lets others pass', async () => {
    const verifier = (id: string) => storeWith('a').then(store => verifierOf(token({ jti: id }), store))
    expect(await (await verifier('a')).verify('x', 0)).toMatchObject(revoked)
    expect(await (await verifier('b')).verify('x', 0)).toMatchObject({ ok: true })
  })

  it('refuses a token with an ancestor that was revoked, however far back', async () => {
    const lineage = `${tokenMark('a')}${tokenMark('b')}`
    for (const id of ['a', 'b']) {
      const verifier = verifierOf(token({ jti: 'c', lineage }), await storeWith(id))
      expect(await verifier.verify('x', 0)).toMatchObject(revoked)
    }
  })

  it('refuses a token of this service that could not be revoked', async () => {
    for (const claims of [{}, { jti: 'c', lineage: 'x' }]) {
      expect(await verifierOf(token(claims), await storeWith()).verify('x', 0)).toMatchObject(revoked)
    }
  })

  it('recalls nothing of this service, since it must be asked about each time, and the rest as before', async () => {
    const store = await storeWith('a')
    expect(verifierOf(token({ jti: 'a' }), store).recall('x', 0)).toBeUndefined()
    const foreign = token({ jti: 'a' }, 'https://login.example.com')
    expect(verifierOf(foreign, store).recall('x', 0)).toBe(foreign)
    const refused = fail(refusal('token.invalid', 'expired'))
    expect(verifierOf(refused, store).recall('x', 0)).toBe(refused)
  })

  it('asks nobody about the tokens of others and about what is refused anyway', async () => {
    const down = () => Promise.reject(new RevocationStoreError('the store does not answer'))
    const store: RevocationStore = { revoke: down, isRevoked: down, close: async () => {} }
    const foreign = token({ jti: 'a' }, 'https://login.example.com')
    expect(await verifierOf(foreign, store).verify('x', 0)).toBe(foreign)
    const refused = fail(refusal('token.invalid', 'expired'))
    expect(await verifierOf(refused, store).verify('x', 0)).toBe(refused)
    expect(await verifierOf(token({ jti: 'a' }), store).verify('x', 0)).toMatchObject({
      ok: false,
      error: { code: 'token.keys_unavailable', detail: 'the store does not answer' },
    })
  })
})
