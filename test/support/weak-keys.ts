import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import type { JWK } from 'jose'
import { headerText, signInput } from './jws-text.ts'
import { encode } from './tokens.ts'

/** A key that no issuer should publish, and a token that it signs: well, where that is possible at all. */
export interface WeakKey {
  readonly kid: string
  readonly jwk: JWK
  sign(payload: string): string
}

/** Ed25519 points of small order, and unreduced spellings of them, with either sign of x. */
export function smallOrderKeys(): WeakKey[] {
  const points = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ].map(hex => Buffer.from(hex, 'hex'))
  return points.flatMap(point => {
    const negative = Buffer.from(point)
    negative.writeUInt8(negative.readUInt8(31) | 0x80, 31)
    return [smallOrderKey(point), smallOrderKey(negative)]
  })
}

/** RSA keys that are short or have odd numbers, EC keys that are no points or for something else, a shared secret. */
export function weakKeys(): WeakKey[] {
  const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
  const even = Buffer.from(n, 'base64url')
  even.writeUInt8(even.readUInt8(255) & 0xfe, 255)
  const rsa = { kty: 'RSA', n, e: 'AQAB' }

  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '', d = '' } = ec.privateKey.export({ format: 'jwk' })
  const point = { kty: 'EC', crv: 'P-256', x, y }
  const longer = Buffer.concat([Buffer.alloc(1), Buffer.from(x, 'base64url')]).toString('base64url')
  return [
    rsaKey('rsa-512', 512, 65_537),
    rsaKey('rsa-1024', 1024, 65_537),
    rsaKey('rsa-e3', 2048, 3),
    weakKey('rsa-e1', { ...rsa, e: 'AQ' }, 'RS256', input => paddedDigest(input, 256)),
    weakKey('rsa-even', { ...rsa, n: even.toString('base64url') }, 'RS256', () => randomBytes(256)),
    weakKey('rsa-zero', { ...rsa, n: 'AA' }, 'RS256', () => randomBytes(1)),
    ecKey('ec-off-curve', { ...point, x: y, y: x }, ec.privateKey),
    ecKey('ec-33-bytes', { ...point, x: longer }, ec.privateKey),
    ecKey('ec-for-encryption', { ...point, use: 'enc' }, ec.privateKey),
    ecKey('ec-with-private-half', { ...point, d }, ec.privateKey),
    sharedSecret('oct'),
  ]
}

function weakKey(kid: string, jwk: JWK, alg: string, signature: (input: string) => Buffer): WeakKey {
  return {
    kid,
    jwk: { use: 'sig', ...jwk, kid },
    sign(payload) {
      const input = `${encode(headerText({ alg, kid }))}.${encode(payload)}`
      return `${input}.${signature(input).toString('base64url')}`
    },
  }
}

function rsaKey(kid: string, modulusLength: number, publicExponent: number): WeakKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent })
  const jwk = publicKey.export({ format: 'jwk' }) as JWK
  return weakKey(kid, jwk, 'RS256', input => sign('sha256', Buffer.from(input), privateKey))
}

function ecKey(kid: string, jwk: JWK, privateKey: KeyObject): WeakKey {
  return {
    ...weakKey(kid, jwk, 'ES256', () => Buffer.alloc(64)),
    sign: payload => signInput(`${encode(headerText({ kid }))}.${encode(payload)}`, privateKey),
  }
}

function sharedSecret(kid: string): WeakKey {
  const secret = randomBytes(32)
  const jwk = { kty: 'oct', alg: 'HS256', k: secret.toString('base64url') }
  return weakKey(kid, jwk, 'HS256', input => createHmac('sha256', secret).update(input).digest())
}

/** With R the neutral element and S zero: good for every message or for one in eight, so some are tried. */
function smallOrderKey(point: Buffer): WeakKey {
  const kid = `ed25519-${point.toString('hex', 0, 4)}-${point.toString('hex', 31)}`
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }
  const signature = Buffer.concat([Buffer.from([1]), Buffer.alloc(63)])
  return {
    ...weakKey(kid, jwk, 'EdDSA', () => signature),
    sign(payload) {
      const key = createPublicKey({ key: jwk, format: 'jwk' })
      let input = ''
      for (let attempt = 0; attempt < 64; attempt++) {
        input = `${encode(headerText({ alg: 'EdDSA', kid, attempt }))}.${encode(payload)}`
        if (verify(null, Buffer.from(input), key, signature)) break
      }
      return `${input}.${signature.toString('base64url')}`
    },
  }
}

/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2) of a SHA-256: with e = 1 a signature, and no private key was needed. */
function paddedDigest(input: string, bytes: number): Buffer {
  const digestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex')
  const digest = createHash('sha256').update(input).digest()
  const filling = Buffer.alloc(bytes - 3 - digestInfo.length - digest.length, 0xff)
  return Buffer.concat([Buffer.from([0, 1]), filling, Buffer.from([0]), digestInfo, digest])
}
