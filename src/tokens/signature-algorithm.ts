import { constants } from 'node:crypto'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'

/** What a `SignatureAlgorithm` means: RFC 7518 §3, RFC 8037 §3.1, RFC 9864 §2. */
export interface AlgorithmFacts {
  /** `kty` and `crv` of the only keys that fit. */
  readonly keyType: 'RSA' | 'EC' | 'OKP'
  readonly curve?: 'P-256' | 'P-384' | 'P-521' | 'Ed25519'
  /** Name of the hash for `node:crypto`; null where the scheme brings its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  /** Length of every signature; an RSA signature is as long as its key's modulus. */
  readonly signatureBytes?: number
  /** What `node:crypto` needs to know beside the key. */
  readonly options: {
    readonly dsaEncoding?: 'ieee-p1363'
    readonly padding?: number
    readonly saltLength?: number
  }
}

const ecdsa = { dsaEncoding: 'ieee-p1363' } as const
const pkcs1 = { padding: constants.RSA_PKCS1_PADDING } as const
const pss = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const
const ed25519 = { keyType: 'OKP', curve: 'Ed25519', hash: null, signatureBytes: 64, options: {} } as const

/** The signature algorithms that Hopgate verifies. Asymmetric only: a key that verifies must not be able to sign. */
export const signatureAlgorithms: Readonly<Record<SignatureAlgorithm, AlgorithmFacts>> = {
  RS256: { keyType: 'RSA', hash: 'sha256', options: pkcs1 },
  RS384: { keyType: 'RSA', hash: 'sha384', options: pkcs1 },
  RS512: { keyType: 'RSA', hash: 'sha512', options: pkcs1 },
  PS256: { keyType: 'RSA', hash: 'sha256', options: pss },
  PS384: { keyType: 'RSA', hash: 'sha384', options: pss },
  PS512: { keyType: 'RSA', hash: 'sha512', options: pss },
  ES256: { keyType: 'EC', curve: 'P-256', hash: 'sha256', signatureBytes: 64, options: ecdsa },
  ES384: { keyType: 'EC', curve: 'P-384', hash: 'sha384', signatureBytes: 96, options: ecdsa },
  ES512: { keyType: 'EC', curve: 'P-521', hash: 'sha512', signatureBytes: 132, options: ecdsa },
  EdDSA: ed25519,
  Ed25519: ed25519,
}

/** Whether a text is one of the algorithm names, exactly (RFC 7515 §4.1.1: case-sensitive). */
export function isSignatureAlgorithm(text: unknown): text is SignatureAlgorithm {
  return typeof text === 'string' && Object.hasOwn(signatureAlgorithms, text)
}

/** Whether two names mean the same algorithm. `EdDSA` with an Ed25519 key is `Ed25519` (RFC 9864 §2.2). */
export function isSameAlgorithm(a: string, b: string): boolean {
  return a === b || (isEd25519(a) && isEd25519(b))
}

function isEd25519(name: string): boolean {
  return name === 'EdDSA' || name === 'Ed25519'
}
