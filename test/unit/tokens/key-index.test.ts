import type { JWK } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import type { SignatureAlgorithm } from '../../../src/config/sidecar-config.ts'
import { findKey, type KeyIndex, readKeyIndex } from '../../../src/tokens/key-index.ts'
import { createTestIssuer, type TestIssuer } from '../../support/tokens.ts'

const rules = { algorithms: ['ES256', 'RS256', 'EdDSA'] as SignatureAlgorithm[], maxKeys: 5 }

let a: TestIssuer
let b: TestIssuer
let rsa: TestIssuer

beforeAll(async () => {
  a = await createTestIssuer({ kid: 'a' })
  b = await createTestIssuer({ kid: 'b' })
  rsa = await createTestIssuer({ kid: 'r', algorithm: 'RS256' })
})

function read(keys: readonly unknown[], previous?: KeyIndex): KeyIndex {
  const index = readKeyIndex({ keys }, rules, previous)
  if (!index.ok) throw new Error(index.error)
  return index.value
}

function withoutKid({ kid: _, ...jwk }: JWK): JWK {
  return jwk
}

describe('readKeyIndex', () => {
  it('keeps the usable keys and names the others with a reason', () => {
    const index = read([a.jwk, { kty: 'oct', k: 'AAAA', kid: 'sym' }, { ...b.jwk, use: 'enc' }, 'junk'])
    expect([...index.keys].map(key => key.keyId)).toEqual(['a'])
    expect(index.ignored).toEqual([
      'kid "sym": kty "oct" is not usable',
      'kid "b": use is "enc"',
      'kid absent: not a JSON object',
    ])
  })

  it.each([undefined, null, [], 'x', {}, { keys: {} }, { keys: 'x' }, { keys: null }])(
    'refuses what is no JWK set: %j',
    document => {
      expect(readKeyIndex(document, rules).ok).toBe(false)
    },
  )

  it('refuses a set without a usable key', () => {
    expect(readKeyIndex({ keys: [] }, rules).ok).toBe(false)
    expect(readKeyIndex({ keys: [{ ...a.jwk, use: 'enc' }] }, rules).ok).toBe(false)
  })

  it('refuses a set with more keys than allowed, usable or not', () => {
    expect(readKeyIndex({ keys: Array.from({ length: 5 }, () => a.jwk) }, rules).ok).toBe(true)
    expect(readKeyIndex({ keys: [a.jwk, 1, 2, 3, 4, 5] }, rules).ok).toBe(false)
  })

  it('takes a known key over as the same object, and no changed one', () => {
    const before = read([a.jwk, b.jwk])
    const after = read([a.jwk, { ...b.jwk, kid: 'c' }, { ...rsa.jwk, kid: 'b' }], before)
    const [key] = before.keys
    expect(key !== undefined && after.keys.has(key)).toBe(true)
    expect([...after.keys].filter(kept => before.keys.has(kept))).toHaveLength(1)
  })

  it('does not take new numbers under an old kid for the old key', async () => {
    const before = read([a.jwk])
    const after = read([{ ...b.jwk, kid: 'a' }], before)
    expect([...after.keys].some(key => before.keys.has(key))).toBe(false)
  })
})

describe('findKey', () => {
  it('finds a key by its exact kid and algorithm', () => {
    const index = read([a.jwk, b.jwk, rsa.jwk])
    const found = findKey(index, 'ES256', 'b')
    expect(found.ok && found.value.keyId).toBe('b')
  })

  it.each(['A', 'a ', 'aa', '', '__proto__', 'constructor', 'toString', '../../dev/null', "' OR 1=1--", 'а'])(
    'finds nothing for the kid %j',
    kid => {
      expect(findKey(read([a.jwk]), 'ES256', kid)).toEqual({ ok: false, error: 'unknown' })
    },
  )

  it('never gives a key for another algorithm than its own', () => {
    expect(findKey(read([a.jwk, rsa.jwk]), 'RS256', 'a').ok).toBe(false)
    expect(findKey(read([rsa.jwk]), 'PS256', 'r').ok).toBe(false)
  })

  it('finds the only fitting key without a kid', () => {
    const found = findKey(read([a.jwk, rsa.jwk]), 'RS256', undefined)
    expect(found.ok && found.value.keyId).toBe('r')
  })

  it('does not guess without a kid among several keys', () => {
    expect(findKey(read([a.jwk, b.jwk]), 'ES256', undefined)).toEqual({ ok: false, error: 'ambiguous' })
  })

  it('does not guess between two keys of one kid and algorithm', () => {
    const index = read([a.jwk, { ...b.jwk, kid: 'a' }])
    expect(findKey(index, 'ES256', 'a')).toEqual({ ok: false, error: 'ambiguous' })
  })

  it('tells keys of one kid apart by algorithm (RFC 7517 §4.5)', () => {
    const found = findKey(read([a.jwk, { ...rsa.jwk, kid: 'a' }]), 'RS256', 'a')
    expect(found.ok && found.value.algorithm).toBe('RS256')
  })

  it('counts a key that is listed twice once', () => {
    expect(findKey(read([a.jwk, a.jwk]), 'ES256', 'a').ok).toBe(true)
  })

  it('does not find a nameless key by a kid', () => {
    expect(findKey(read([withoutKid(a.jwk)]), 'ES256', 'a').ok).toBe(false)
  })
})
