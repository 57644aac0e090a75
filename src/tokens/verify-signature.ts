import { type KeyObject, verify } from 'node:crypto'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import type { JwsParts } from './compact-jws.ts'
import { isSameAlgorithm, signatureAlgorithms } from './signature-algorithm.ts'

/** A public key that passed `readVerificationKey`. It verifies one algorithm and no other (RFC 8725 §3.1). */
export interface UsableKey {
  readonly keyId: string | undefined
  readonly algorithm: SignatureAlgorithm
  readonly publicKey: KeyObject
  /** Exact length of a signature by this key. */
  readonly signatureBytes: number
}

/**
 * Whether the signature of a compact JWS was made with this key's private half, over the bytes as received.
 * Synchronous: `node:crypto` is several times quicker here than WebCrypto.
 */
export function verifySignature(jws: JwsParts, key: UsableKey): boolean {
  if (!isSameAlgorithm(jws.header.algorithm, key.algorithm)) return false
  // OpenSSL takes a PSS signature without its leading zero byte; RFC 8017 §8.1.2 does not.
  if (jws.signature.length !== key.signatureBytes) return false
  const { hash, options } = signatureAlgorithms[key.algorithm]
  const input = Buffer.from(jws.signingInput, 'ascii')
  return verify(hash, input, { key: key.publicKey, ...options }, jws.signature)
}
