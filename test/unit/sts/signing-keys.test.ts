import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  formatSigningKeys,
  generateSigningKey,
  parseSigningKeys,
  type SigningKeys,
} from '../../../src/sts/signing-keys.ts'

type Jwk = Record<string, unknown>

function stored(keys: SigningKeys = [generateSigningKey()]): Jwk[] {
  return JSON.parse(formatSigningKeys(keys)).keys
}

function parse(keys: unknown): SigningKeys {
  return parseSigningKeys(JSON.stringify({ keys }))
}

describe('signing keys', () => {
  it('have their RFC 7638 thumbprint for a kid', async () => {
    const { publicJwk } = generateSigningKey()
    expect(publicJwk.kid).toBe(await calculateJwkThumbprint({ ...publicJwk }, 'sha256'))
  })

  it('never have a private member in their public half', () => {
    expect(Object.keys(generateSigningKey().publicJwk).sort()).toEqual([
      'alg',
      'crv',
      'kid',
      'kty',
      'use',
      'x',
      'y',
    ])
  })

  it('are the same after writing and reading', () => {
    const keys: SigningKeys = [generateSigningKey(), generateSigningKey()]
    const read = parseSigningKeys(formatSigningKeys(keys))
    expect(read.map(key => key.publicJwk)).toEqual(keys.map(key => key.publicJwk))
    expect(read[0].privateKey.equals(keys[0].privateKey)).toBe(true)
  })

  it('are read without kid, alg and use, which are all implied', () => {
    const [{ kid, alg, use, ...bare } = {}] = stored()
    expect(parse([bare])[0].publicJwk).toMatchObject({ kid, alg, use })
  })

  const [good = {}] = stored()
  const [other = {}] = stored()
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' })
  it.each<[string, unknown]>([
    ['no key', []],
    ['something else than a list', {}],
    ['a key that is no object', ['x']],
    ['an RSA key', [rsa]],
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
