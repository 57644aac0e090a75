import { fail, type Result } from '../base/result.ts'
import { type KeyIndex, readKeyIndex } from './key-index.ts'
import { isSignatureAlgorithm, signatureAlgorithms } from './signature-algorithm.ts'

const rules = { algorithms: Object.keys(signatureAlgorithms).filter(isSignatureAlgorithm), maxKeys: 20 }

/**
 * Reads the public keys that a client signs its assertions with. They are written by whoever writes the configuration,
 * so that one bad key is a mistake to report and not one to pass over.
 *
 * @returns the error says which key may not verify signatures and why; it holds no key material
 */
export function readClientKeySet(jwks: unknown): Result<KeyIndex, string> {
  const index = readKeyIndex(jwks, rules)
  return index.ok && index.value.ignored.length > 0 ? fail(index.value.ignored.join('; ')) : index
}
