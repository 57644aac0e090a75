import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  formatSigningKeys,
  generateSigningKey,
  parseSigningKeys,
  type SigningKey,
  type SigningKeys,
  signingAlgorithms,
} from '../../../src/sts/signing-keys.ts'

type Jwk = Record<string, unknown>

function stored(keys: SigningKeys = [generateSigningKey()]): Jwk[] {
  return JSON.parse(formatSigningKeys(keys)).keys
}

function parse(keys: unknown): SigningKeys {
  return parseSigningKeys(JSON.stringify({ keys }))
}

/** One key for each algorithm. */
const each = signingAlgorithms.map(algorithm => generateSigningKey(algorithm))

describe('signing keys', () => {
  it.each(each)('have their RFC 7638 thumbprint for a kid: $publicJwk.alg', async ({ publicJwk }) => {
    expect(publicJwk.kid).toBe(await calculateJwkThumbprint({ ...publicJwk }, 'sha256'))
  })

  it('never have a private member in their public half', () => {
    const common = ['alg', 'kid', 'kty', 'use']
    expect(each.map(({ publicJwk }) => Object.keys(publicJwk).sort())).toEqual([
      [...common, 'crv', 'x', 'y'].sort(),
      [...common, 'crv', 'x'].sort(),
      [...common, 'e', 'n'].sort(),
      [...common, 'e', 'n'].sort(),
    ])
  })

  it('are for RSA as strong as the curves are', () => {
    expect(each[2]?.privateKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 3072 })
  })

  it('are the same after writing and reading, with their times', () => {
    const [first, ...others] = each.map((key, index) => ({
      ...key,
      createdAt: index === 0 ? undefined : 1_800_000_000,
      signsFrom: index === 1 ? undefined : 1_800_000_420,
      publishedUntil: index === 2 ? undefined : 1_800_000_900,
    }))
    const keys: SigningKeys = [first as SigningKey, ...others]
    const read = parseSigningKeys(formatSigningKeys(keys))
    const bare = (all: SigningKeys) => all.map(({ privateKey: _, ...rest }) => rest)
    expect(bare(read)).toEqual(bare(keys))
    expect(read.every((key, index) => key.privateKey.equals((keys[index] as SigningKey).privateKey))).toBe(
      true,
    )
  })

  it('of before there were times sign as the first in the file does', () => {
    const set = stored([generateSigningKey(), generateSigningKey()])
    expect(set.every(jwk => !('iat' in jwk) && !('nbf' in jwk) && !('exp' in jwk))).toBe(true)
    expect(parse(set)[0]).toMatchObject({ createdAt: undefined, signsFrom: undefined })
  })

  it('are for RS256 when an RSA key does not say what it is for', () => {
    const [{ kid, alg, use, ...bare } = {}] = stored([each[3] as SigningKey])
    expect(parse([bare])[0].publicJwk).toMatchObject({ alg: 'RS256', kid })
  })

  it('are read without kid, alg and use, which are all implied', () => {
    const [{ kid, alg, use, ...bare } = {}] = stored()
    expect(parse([bare])[0].publicJwk).toMatchObject({ kid, alg, use })
  })

  const [good = {}] = stored()
  const [other = {}] = stored()
  const [rsa = {}] = stored([each[2] as SigningKey])
  const [otherRsa = {}] = stored([each[3] as SigningKey])
  const [ed25519 = {}] = stored([each[1] as SigningKey])
  const shortRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' })
  it.each<[string, unknown]>([
    ['no key', []],
    ['something else than a list', {}],
    ['a key that is no object', ['x']],
    ['a short RSA key', [shortRsa]],
    ['an RSA key for another hash', [{ ...rsa, alg: 'RS512' }]],
    ['an RSA key with the private half of another', [{ ...otherRsa, n: rsa['n'], kid: undefined }]],
    ['an RSA key without its factors', [{ ...rsa, p: undefined }]],
    ['an Ed25519 key for ES256', [{ ...ed25519, alg: 'ES256' }]],
    ['an Ed25519 key with the public half of another', [{ ...ed25519, x: good['x'], kid: undefined }]],
    ['one key for two algorithms', [rsa, { ...rsa, alg: 'PS256' }]],
    ['a time that is a text', [{ ...good, nbf: '2027' }]],
    ['a time that is none', [{ ...good, exp: -1 }]],
    ['a key on another curve', [p384]],
    ['a public key', [{ ...good, d: undefined }]],
    ['a key with the public half of another', [{ ...good, x: other['x'], y: other['y'], kid: undefined }]],
    ['a key with the private half of another', [{ ...good, d: other['d'] }]],
    ['a point that is not on the curve', [{ ...good, y: good['x'], kid: undefined }]],
    ['a kid that is not the thumbprint', [{ ...good, kid: 'k1' }]],
    ['a key for encryption', [{ ...good, use: 'enc' }]],
    ['a key for another algorithm', [{ ...good, alg: 'ES384' }]],
    ['a key twice', [good, good]],
  ])('refuses %s', (_, keys) => {
    expect(() => parse(keys)).toThrow(Error)
  })

  it.each(['', '{', '[]', 'null', '"keys"'])('refuses the text %j', text => {
    expect(() => parseSigningKeys(text)).toThrow(Error)
  })

  it('quotes nothing of a malformed text in the error', () => {
    const secret = String(good['d'])
    for (const text of [secret, `{"keys":[${secret}`, JSON.stringify({ keys: [{ ...good, kid: secret }] })]) {
      expect(messageOf(() => parseSigningKeys(text))).not.toContain(secret.slice(0, 8))
    }
  })
})

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (cause) {
    return String(cause)
  }
  throw new Error('nothing was thrown')
}
