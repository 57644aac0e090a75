import type { StsClient } from '../config/sidecar-config.ts'
import { type KeyIndex, readKeyIndex } from '../tokens/key-index.ts'
import { isSignatureAlgorithm, signatureAlgorithms } from '../tokens/signature-algorithm.ts'

const rules = { algorithms: Object.keys(signatureAlgorithms).filter(isSignatureAlgorithm), maxKeys: 20 }

/**
 * The public keys of every client that authenticates with `private_key_jwt`, by client id.
 *
 * @throws Error naming the client when one of its keys may not verify signatures, or it has none
 */
export function readClientKeys(clients: Iterable<StsClient>): ReadonlyMap<string, KeyIndex> {
  const keys = new Map<string, KeyIndex>()
  for (const { id, authentication } of clients) {
    if (authentication.kind !== 'private_key_jwt') continue
    const index = readKeyIndex(authentication.jwks, rules)
    const trouble = index.ok ? index.value.ignored : [index.error]
    if (!index.ok || trouble.length > 0) {
      throw new Error(`client ${JSON.stringify(id)}: keys not usable: ${trouble.join('; ')}`)
    }
    keys.set(id, index.value)
  }
  return keys
}
