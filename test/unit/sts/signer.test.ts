import { compactVerify, importJWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { createSigner } from '../../../src/sts/signer.ts'
import { SignerKeys } from '../../../src/sts/signer-keys.ts'
import { generateSigningKey, type SigningKeys, signingAlgorithms } from '../../../src/sts/signing-keys.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

it.each(signingAlgorithms)('makes %s tokens that an independent library verifies', async alg => {
  const signer = createSigner([generateSigningKey(alg)])
  const [jwk] = signer.publicKeys()
  const token = signer.sign({ sub: 'zoë', n: 1 }, 'at+jwt')
  const { payload, protectedHeader } = await jwtVerify(token, await importJWK({ ...jwk }))
  expect(payload).toEqual({ sub: 'zoë', n: 1 })
  expect(protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: jwk?.kid })
})

it('signs with the first key and publishes all', async () => {
  const keys = [generateSigningKey(), generateSigningKey()] as const
  const signer = createSigner(keys)
  expect(signer.publicKeys()).toEqual(keys.map(key => key.publicJwk))
  const token = signer.sign({}, 'at+jwt')
  await expect(compactVerify(token, await importJWK({ ...keys[0].publicJwk }))).resolves.toBeDefined()
  await expect(compactVerify(token, await importJWK({ ...keys[1].publicJwk }))).rejects.toThrow()
})

it('keeps the types of different tokens apart', () => {
  const signer = createSigner([generateSigningKey()])
  const types = ['at+jwt', 'logout+jwt', 'at+jwt'].map(
    type => JSON.parse(Buffer.from(signer.sign({}, type).split('.')[0] ?? '', 'base64url').toString()).typ,
  )
  expect(types).toEqual(['at+jwt', 'logout+jwt', 'at+jwt'])
})

const signedBy = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid

describe('keys with times', () => {
  const start = 1_800_000_000
  const before = { ...generateSigningKey(), publishedUntil: start + 900 }
  const after = generateSigningKey('EdDSA', { signsFrom: start + 420 })
  const keys: SigningKeys = [after, before]
  const kidOf = { before: before.publicJwk.kid, after: after.publicJwk.kid }

  it('sign one after the other, and are published before and after', () => {
    const clock = createFakeClock(start)
    const signer = createSigner(keys, clock)
    const look = (ms: number) => {
      clock.advanceMs(ms)
      return [signedBy(signer.sign({}, 'at+jwt')), signer.publicKeys().map(({ kid }) => kid)]
    }
    expect(look(0)).toEqual([kidOf.before, [kidOf.before, kidOf.after]])
    expect(look(419_999)).toEqual([kidOf.before, [kidOf.before, kidOf.after]])
    expect(look(1)).toEqual([kidOf.after, [kidOf.after, kidOf.before]])
    expect(look(480_000)).toEqual([kidOf.after, [kidOf.after]])
    expect(look(-500_000)).toEqual([kidOf.before, [kidOf.before, kidOf.after]])
  })

  it('let nothing live on when they are published no longer', () => {
    const clock = createFakeClock(start)
    const signer = createSigner(keys, clock)
    expect(signer.latestExpiry()).toBe(start + 900 - 60)
    clock.advanceMs(420_000)
    expect(signer.latestExpiry()).toBe(Number.POSITIVE_INFINITY)
  })

  it('can become others, which has another name; the order is no difference', () => {
    const signer = createSigner([before], createFakeClock(start))
    const name = signer.keySetId()
    const published = signer.publicKeys()
    signer.replace([{ ...before, publishedUntil: undefined }])
    expect(signer.publicKeys()).toBe(published)
    expect(signer.keySetId()).toBe(name)
    signer.replace(keys)
    const both = signer.keySetId()
    expect(both).not.toBe(name)
    signer.replace([before, after])
    expect(signer.keySetId()).toBe(both)
    signer.replace([after])
    expect([name, both]).not.toContain(signer.keySetId())
    expect(signedBy(signer.sign({}, 'at+jwt'))).toBe(kidOf.after)
  })

  it('verify what they signed as long as they are published', () => {
    const clock = createFakeClock(start)
    const signer = createSigner(keys, clock)
    const held = new SignerKeys(signer)
    const found = held.find('ES256', kidOf.before)
    if (!found.ok) throw new Error('not found')
    expect(held.find('EdDSA', kidOf.after)).toMatchObject({ ok: true })
    expect(held.find('ES256', kidOf.after)).toEqual({ ok: false, error: 'unknown' })
    clock.advanceMs(899_000)
    expect(held.holds(found.value)).toBe(true)
    clock.advanceMs(1_000)
    expect(held.holds(found.value)).toBe(false)
    expect(held.find('ES256', kidOf.before)).toEqual({ ok: false, error: 'unknown' })
  })
})
