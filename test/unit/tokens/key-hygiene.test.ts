import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { SignatureAlgorithm } from '../../../src/config/sidecar-config.ts'
import { readJwsParts } from '../../../src/tokens/compact-jws.ts'
import { readVerificationKey } from '../../../src/tokens/key-hygiene.ts'
import { verifySignature } from '../../../src/tokens/verify-signature.ts'
import { encode } from '../../support/tokens.ts'

const every: readonly SignatureAlgorithm[] = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

const rsa = exportPublic(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
)
const ec = exportPublic(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
)
const ed = exportPublic(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }))

function exportPublic(jwk: object): Record<string, unknown> {
  return { ...jwk, kid: 'k1', use: 'sig' }
}

function reasonAgainst(jwk: unknown, allowed = every): string | undefined {
  const read = readVerificationKey(jwk, allowed)
  return read.ok ? undefined : read.error
}

function algorithmOf(jwk: unknown, allowed = every): string | undefined {
  const read = readVerificationKey(jwk, allowed)
  return read.ok ? read.value.algorithm : undefined
}

function bytes(value: unknown): Buffer {
  return Buffer.from(value as string, 'base64url')
}

describe('readVerificationKey', () => {
  it('accepts sound keys of each kind', () => {
    expect(algorithmOf({ ...rsa, alg: 'RS256' })).toBe('RS256')
    expect(algorithmOf({ ...ec, alg: 'ES256' })).toBe('ES256')
    expect(algorithmOf({ ...ed, alg: 'EdDSA' })).toBe('EdDSA')
    expect(algorithmOf({ ...ed, alg: 'Ed25519' })).toBe('Ed25519')
    for (const namedCurve of ['P-384', 'P-521']) {
      const jwk = generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' })
      expect(algorithmOf(jwk)).toBe(namedCurve === 'P-384' ? 'ES384' : 'ES512')
    }
  })

  it('gives a key without alg the first algorithm of the allow-list that fits, and no second', () => {
    expect(algorithmOf(rsa, ['ES256', 'PS256', 'RS256'])).toBe('PS256')
    expect(algorithmOf(rsa, ['RS256', 'PS256'])).toBe('RS256')
    expect(algorithmOf(ec, ['RS256', 'ES256'])).toBe('ES256')
  })

  it('refuses a key for an algorithm that the issuer may not use', () => {
    expect(reasonAgainst({ ...rsa, alg: 'RS256' }, ['ES256'])).toMatch(/not allowed/)
    expect(reasonAgainst(rsa, ['ES256'])).toMatch(/no algorithm/)
  })

  it('takes EdDSA and Ed25519 for the same algorithm', () => {
    expect(algorithmOf({ ...ed, alg: 'Ed25519' }, ['EdDSA'])).toBe('Ed25519')
    expect(algorithmOf({ ...ed, alg: 'EdDSA' }, ['Ed25519'])).toBe('EdDSA')
  })

  it.each([
    ['a symmetric key', { kty: 'oct', k: 'AAAA', alg: 'HS256' }, /kty/],
    ['an unknown kty', { ...ec, kty: 'XYZ' }, /kty/],
    ['no kty', { ...ec, kty: undefined }, /kty/],
    ['use enc', { ...ec, use: 'enc' }, /use/],
    ['use of another type', { ...ec, use: ['sig'] }, /use/],
    ['key_ops without verify', { ...ec, key_ops: ['encrypt'] }, /key_ops/],
    ['key_ops as a string', { ...ec, key_ops: 'verify' }, /key_ops/],
    ['alg of another key type', { ...ec, alg: 'RS256' }, /does not fit/],
    ['alg of another curve', { ...ec, alg: 'ES384' }, /does not fit/],
    ['HS256 on an RSA key', { ...rsa, alg: 'HS256' }, /does not fit/],
    ['an encryption alg', { ...rsa, alg: 'RSA-OAEP' }, /does not fit/],
    ['an inherited name as alg', { ...rsa, alg: 'constructor' }, /does not fit/],
    ['alg of another type', { ...rsa, alg: 1 }, /does not fit/],
    ['a numeric kid', { ...ec, kid: 1 }, /kid/],
    ['a long kid', { ...ec, kid: 'k'.repeat(257) }, /kid/],
    ['an X25519 key', { ...ed, crv: 'X25519' }, /no algorithm/],
    ['an Ed448 key', { ...ed, crv: 'Ed448' }, /no algorithm/],
    ['secp256k1', { ...ec, crv: 'secp256k1' }, /no algorithm/],
    ['a string', 'x', /object/],
    ['null', null, /object/],
  ])('refuses %s', (_, jwk, reason) => {
    expect(reasonAgainst(jwk)).toMatch(reason)
  })

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])(
    'refuses a key with the private member %s',
    member => {
      expect(reasonAgainst({ ...rsa, [member]: 'AQAB' })).toMatch(/private/)
    },
  )

  it('refuses an RSA modulus below 2048 bits, and accepts 2048', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
    expect(reasonAgainst(short)).toMatch(/1024 bits/)
    const justShort = bytes(rsa.n)
    justShort[0] = 0x7f
    expect(reasonAgainst({ ...rsa, n: justShort.toString('base64url') })).toMatch(/2047 bits/)
    expect(reasonAgainst(rsa)).toBeUndefined()
  })

  it('does not count leading zeros as bits of the modulus', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
    const padded = Buffer.concat([Buffer.alloc(128), bytes(short.n)]).toString('base64url')
    expect(reasonAgainst({ ...short, n: padded })).toMatch(/1024 bits/)
  })

  it.each([
    ['zero', Buffer.alloc(256)],
    ['even', Buffer.concat([bytes(rsa.n).subarray(0, 255), Buffer.from([0x02])])],
    ['of 16,384 bits', Buffer.alloc(2048, 0xff)],
    ['of half a megabyte', Buffer.alloc(500_000, 0xff)],
  ])('refuses a modulus that is %s', (_, modulus) => {
    expect(reasonAgainst({ ...rsa, n: modulus.toString('base64url') })).toBeDefined()
  })

  it.each([
    ['1', 'AQ'],
    ['3', 'Aw'],
    ['17', 'EQ'],
    ['65535', '__8'],
    ['65538', 'AQAC'],
    ['0', 'AA'],
    ['2^32 + 1', 'AQAAAAE'],
    ['padded', 'AQAB='],
    ['missing', undefined],
  ])('refuses the exponent %s', (_, e) => {
    expect(reasonAgainst({ ...rsa, e })).toBeDefined()
  })

  it('refuses a modulus with the ROCA fingerprint', () => {
    // Constructed as such a modulus is: congruent to a power of 65537 modulo every small prime.
    const primes = sieve(701)
    const product = primes.reduce((all, prime) => all * BigInt(prime), 1n)
    let power = 1n
    for (let i = 0; i < 12_345; i++) power = (power * 65_537n) % product
    const modulus = power + product * ((1n << 2047n) / product + 1n)
    expect(reasonAgainst({ ...rsa, n: integer(modulus) })).toMatch(/ROCA/)
    expect(reasonAgainst({ ...rsa, n: integer(modulus + 2n) })).toBeUndefined()
  })

  it('refuses an EC point that is not on its curve', () => {
    const y = bytes(ec.y)
    y[31] = (y[31] ?? 0) ^ 1
    expect(reasonAgainst({ ...ec, y: y.toString('base64url') })).toMatch(/curve/)
    expect(reasonAgainst({ ...ec, x: integer(0n, 32), y: integer(0n, 32) })).toMatch(/curve/)
  })

  it.each([31, 33, 64])('refuses a coordinate of %i bytes', size => {
    const x = Buffer.concat([Buffer.alloc(size), bytes(ec.x)])
      .subarray(-size)
      .toString('base64url')
    expect(reasonAgainst({ ...ec, x })).toMatch(/coordinate/)
    expect(reasonAgainst({ ...ec, y: x })).toMatch(/coordinate/)
  })

  const smallOrder = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ]
  it.each(smallOrder)('refuses the Ed25519 point %s, with either sign', hex => {
    const point = Buffer.from(hex, 'hex')
    expect(reasonAgainst({ ...ed, x: point.toString('base64url') })).toMatch(/small order/)
    point[31] = (point[31] ?? 0) | 0x80
    expect(reasonAgainst({ ...ed, x: point.toString('base64url') })).toMatch(/small order/)
  })

  it('accepts sound Ed25519 keys with either sign', () => {
    const signs = new Set<boolean>()
    while (signs.size < 2) {
      const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
      signs.add(((bytes(jwk.x)[31] ?? 0) & 0x80) !== 0)
      expect(reasonAgainst(jwk)).toBeUndefined()
    }
  })

  it.each([31, 33, 0])('refuses an Ed25519 key of %i bytes', size => {
    expect(reasonAgainst({ ...ed, x: Buffer.alloc(size, 7).toString('base64url') })).toMatch(/32 bytes/)
  })

  it('says why without the key material', () => {
    const jwk = { ...rsa, d: 'c2VjcmV0', e: 'Aw' }
    expect(reasonAgainst(jwk)).not.toContain('c2VjcmV0')
  })
})

describe('verifySignature', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'Ed25519' }
  const input = `${encode('{"alg":"EdDSA"}')}.${encode('{}')}`
  const signature = sign(null, Buffer.from(input), privateKey)

  it('verifies EdDSA with a key whose alg says Ed25519', () => {
    expect(check(`${input}.${signature.toString('base64url')}`, jwk)).toBe(true)
  })

  it('refuses a signature with one byte more or less', () => {
    const longer = Buffer.concat([signature, Buffer.alloc(1)])
    expect(check(`${input}.${longer.toString('base64url')}`, jwk)).toBe(false)
    expect(check(`${input}.${signature.subarray(0, 63).toString('base64url')}`, jwk)).toBe(false)
  })

  it('refuses an RS256 header with a PS256 key over the same numbers', () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const numbers = pair.publicKey.export({ format: 'jwk' })
    const text = `${encode('{"alg":"RS256"}')}.${encode('{}')}`
    const token = `${text}.${sign('sha256', Buffer.from(text), pair.privateKey).toString('base64url')}`
    expect(check(token, { ...numbers, alg: 'RS256' })).toBe(true)
    expect(check(token, { ...numbers, alg: 'PS256' })).toBe(false)
  })

  it('refuses a PSS signature without its leading zero byte, which OpenSSL alone would accept', () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwk = { ...pair.publicKey.export({ format: 'jwk' }), alg: 'PS256' }
    const text = `${encode('{"alg":"PS256"}')}.${encode('{}')}`
    const options = { key: pair.privateKey, padding: 6, saltLength: 32 }
    let signed = sign('sha256', Buffer.from(text), options)
    while (signed[0] !== 0) signed = sign('sha256', Buffer.from(text), options)
    expect(check(`${text}.${signed.toString('base64url')}`, jwk)).toBe(true)
    expect(check(`${text}.${signed.subarray(1).toString('base64url')}`, jwk)).toBe(false)
  })

  it('refuses a header that names another algorithm than the one that was signed with', () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwk = { ...pair.publicKey.export({ format: 'jwk' }), alg: 'PS256' }
    const tokenFor = (alg: string): string => {
      const text = `${encode(JSON.stringify({ alg }))}.${encode('{}')}`
      const signed = sign('sha256', Buffer.from(text), { key: pair.privateKey, padding: 6, saltLength: 32 })
      return `${text}.${signed.toString('base64url')}`
    }
    expect(check(tokenFor('PS256'), jwk)).toBe(true)
    for (const alg of ['RS256', 'PS384', 'none', 'HS256']) expect(check(tokenFor(alg), jwk)).toBe(false)
  })

  function check(token: string, key: unknown): boolean {
    const parts = readJwsParts(token, 8192)
    const usable = readVerificationKey(key, every)
    if (!parts.ok || !usable.ok) throw new Error('the test vector is not usable')
    return verifySignature(parts.value, usable.value)
  }
})

function integer(value: bigint, size?: number): string {
  const hex = value.toString(16)
  return Buffer.from(
    hex.padStart(size === undefined ? hex.length + (hex.length % 2) : 2 * size, '0'),
    'hex',
  ).toString('base64url')
}

function sieve(limit: number): number[] {
  const primes: number[] = []
  for (let n = 2; n <= limit; n++) if (primes.every(prime => n % prime !== 0)) primes.push(n)
  return primes
}
