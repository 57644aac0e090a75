import { KeyObject } from 'node:crypto'
import type { JWK } from 'jose'
import { FreshFile } from '../base/fresh-file.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject, parseStrictJson } from '../base/strict-json.ts'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import { isKeyId } from './key-id.ts'
import { isSignatureAlgorithm } from './signature-algorithm.ts'

/** A private key of ours, ready to sign. */
export interface ClientKey {
  readonly algorithm: SignatureAlgorithm
  readonly keyId: string | undefined
  readonly privateKey: KeyObject
}

const maxBytes = 64 * 1024

/** A file with one private JWK (RFC 7517) that names its `alg`. A key that was taken away is not used. */
export function createClientKeyFile(file: string): FreshFile<ClientKey> {
  return new FreshFile(file, { name: 'client key', maxBytes, parse: importKey })
}

async function importKey(content: Buffer): Promise<Result<ClientKey, string>> {
  const jwk = parseStrictJson(content)
  if (!isJsonObject(jwk)) return fail('it does not hold one JSON Web Key')
  const { kty, alg, kid, use, d } = jwk
  if (kty === 'oct' || typeof d !== 'string') return fail('the key is not the private half of a key pair')
  if (!isSignatureAlgorithm(alg)) return fail('the key has no alg that is supported')
  if (kid !== undefined && !isKeyId(kid)) return fail('kid is not a string of 1 to 256 characters')
  if (use !== undefined && use !== 'sig') return fail('the key is not meant for signatures')
  try {
    // Loaded on first use: a sidecar that authenticates with a secret starts without it.
    const { importJWK } = await import('jose')
    const privateKey = await importJWK({ ...jwk } as JWK, alg, { extractable: true })
    if (privateKey instanceof Uint8Array) return fail('the key is not a private key')
    return ok({ algorithm: alg, keyId: kid, privateKey: KeyObject.from(privateKey) })
  } catch {
    // The library's message is left out: it may quote members of the key.
    return fail(`the key does not fit its alg ${alg}`)
  }
}
