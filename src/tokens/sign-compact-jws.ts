import { type KeyObject, sign } from 'node:crypto'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import { signatureAlgorithms } from './signature-algorithm.ts'

/** A private key and the one algorithm that it signs with. */
export interface JwsSigningKey {
  readonly algorithm: SignatureAlgorithm
  readonly privateKey: KeyObject
}

/**
 * Makes a compact JWS (RFC 7515 §3.1). Signs with `node:crypto` at once: a hand-over to the thread pool costs more than
 * an ECDSA signature.
 *
 * @throws when the key is not one for its algorithm
 */
export function signCompactJws(
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
  { algorithm, privateKey }: JwsSigningKey,
): string {
  const input = `${encode(header)}.${encode(claims)}`
  const { hash, options } = signatureAlgorithms[algorithm]
  const signature = sign(hash, Buffer.from(input, 'ascii'), { key: privateKey, ...options })
  return `${input}.${signature.toString('base64url')}`
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}
