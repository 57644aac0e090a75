import { createPublicKey, type KeyObject } from 'node:crypto'
import { fail, ok, type Result } from '../base/result.ts'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import { decodeBase64Url } from './base64url.ts'
import { isUnfitEd25519Point } from './ed25519-point.ts'
import { hasRocaFingerprint } from './roca.ts'
import { signatureAlgorithms } from './signature-algorithm.ts'
import type { UsableKey } from './verify-signature.ts'

type Jwk = Readonly<Record<string, unknown>>
/** The part of a usable key that its numbers decide. */
export type KeyMaterial = Pick<UsableKey, 'publicKey' | 'signatureBytes'>

const rsaBits = { fewest: 2048, most: 8192 } as const
const exponents = { least: 65_537n, most: 0xffff_ffffn } as const

/**
 * Makes a public key of the numbers in a JWK, if they make a sound one for the algorithm: RSA of 2048 to 8192 bits with
 * an odd exponent from 65537 to 2^32 and no ROCA modulus, EC points on their curve, Ed25519 points of full order.
 *
 * @param algorithm one that fits `kty` and `crv`
 */
export function readKeyMaterial(jwk: Jwk, algorithm: SignatureAlgorithm): Result<KeyMaterial, string> {
  const { keyType, curve, signatureBytes = 0 } = signatureAlgorithms[algorithm]
  if (keyType === 'RSA') return readRsaKey(jwk)
  return keyType === 'EC' ? readEcKey(jwk, curve, signatureBytes) : readEd25519Key(jwk, signatureBytes)
}

function readRsaKey(jwk: Jwk): Result<KeyMaterial, string> {
  const modulus = readBytes(jwk.n)
  const exponent = readBytes(jwk.e)
  if (modulus === undefined || exponent === undefined) return fail('n or e is not base64url')
  const unfit = checkRsaNumbers(toInteger(modulus), toInteger(exponent))
  if (unfit !== undefined) return fail(unfit)
  const publicKey = importJwk({ kty: 'RSA', n: modulus, e: exponent })
  if (publicKey === undefined) return fail('n and e make no RSA key')
  return ok({ publicKey, signatureBytes: Math.ceil(bitLength(toInteger(modulus)) / 8) })
}

function checkRsaNumbers(modulus: bigint, exponent: bigint): string | undefined {
  const bits = bitLength(modulus)
  if (bits < rsaBits.fewest || bits > rsaBits.most) return `the modulus has ${bits} bits`
  if (modulus % 2n === 0n) return 'the modulus is even'
  if (exponent < exponents.least || exponent > exponents.most || exponent % 2n === 0n) {
    return 'the exponent is even or out of range'
  }
  return hasRocaFingerprint(modulus) ? 'the modulus has the ROCA fingerprint (CVE-2017-15361)' : undefined
}

function readEcKey(jwk: Jwk, curve: string | undefined, signatureBytes: number): Result<KeyMaterial, string> {
  const x = readBytes(jwk.x)
  const y = readBytes(jwk.y)
  // RFC 7518 §6.2.1.2: coordinates keep their leading zeros. A signature is two numbers of the same size.
  if (x?.length !== signatureBytes / 2 || y?.length !== signatureBytes / 2) {
    return fail(`a coordinate is not ${signatureBytes / 2} bytes of base64url`)
  }
  const publicKey = importJwk({ kty: 'EC', crv: curve, x, y })
  return publicKey === undefined ? fail('the point is not on the curve') : ok({ publicKey, signatureBytes })
}

function readEd25519Key(jwk: Jwk, signatureBytes: number): Result<KeyMaterial, string> {
  const x = readBytes(jwk.x)
  if (x?.length !== 32) return fail('x is not 32 bytes of base64url')
  if (isUnfitEd25519Point(x)) return fail('x is a point of small order or not canonical')
  const publicKey = importJwk({ kty: 'OKP', crv: 'Ed25519', x })
  return publicKey === undefined ? fail('x makes no Ed25519 key') : ok({ publicKey, signatureBytes })
}

function readBytes(value: unknown): Buffer | undefined {
  return typeof value === 'string' ? decodeBase64Url(value) : undefined
}

function toInteger(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length
}

function importJwk(jwk: Readonly<Record<string, string | Buffer | undefined>>): KeyObject | undefined {
  const key: Record<string, string> = {}
  for (const [name, value] of Object.entries(jwk)) {
    if (value !== undefined) key[name] = typeof value === 'string' ? value : value.toString('base64url')
  }
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch {
    return undefined
  }
}
