import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { StsClient } from '../config/sidecar-config.ts'

/**
 * Answers whether a secret is the one of a client. Digests of equal length are compared in constant time, and for a
 * client without a secret, or no client at all, the same work is done against a digest that nothing has.
 */
export function createSecretCheck(
  clients: Iterable<StsClient>,
): (client: StsClient | undefined, secret: string) => boolean {
  const digests = new Map<string, Buffer>()
  for (const { id, authentication } of clients) {
    const [first] = authentication.kind === 'secret' ? authentication.secrets : []
    if (first !== undefined) digests.set(id, digest(first.text.expose()))
  }
  const nobody = randomBytes(32)
  return (client, secret) => {
    const expected = client === undefined ? undefined : digests.get(client.id)
    const isEqual = timingSafeEqual(digest(secret), expected ?? nobody)
    return isEqual && expected !== undefined && secret !== ''
  }
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest()
}
