import type { StsClient } from '../config/sidecar-config.ts'
import { readClientKeySet } from '../tokens/client-key-set.ts'
import type { KeyIndex } from '../tokens/key-index.ts'

/**
 * The public keys of every client that authenticates with `private_key_jwt`, by client id.
 *
 * @throws Error naming the client when one of its keys may not verify signatures, or it has none
 */
export function readClientKeys(clients: Iterable<StsClient>): ReadonlyMap<string, KeyIndex> {
  const keys = new Map<string, KeyIndex>()
  for (const { id, authentication } of clients) {
    if (authentication.kind !== 'private_key_jwt') continue
    const index = readClientKeySet(authentication.jwks)
    if (!index.ok) throw new Error(`client ${JSON.stringify(id)}: keys not usable: ${index.error}`)
    keys.set(id, index.value)
  }
  return keys
}
