import { digestFields } from '../base/digest.ts'
import type { SidecarConfig } from '../config/sidecar-config.ts'
import type { CacheKeyContext } from '../hop/exchange/cache-key.ts'
import { deriveMachineSeal } from '../hop/exchange/machine-seal.ts'
import type { Signer } from '../sts/signer.ts'

/**
 * What every cache key of a configuration depends on. What the embedded token service signed is good only as long as its
 * key is: whoever has other keys, as after a restart without a key file, or when one was withdrawn, must not find the
 * token in memory or Redis.
 *
 * @param signer of the embedded token service; undefined for an authorization server elsewhere
 */
export function createCacheContext(
  { policyDigest, routes, cache, exchange: { client, server } }: SidecarConfig,
  signer: Signer | undefined,
): () => CacheKeyContext {
  const asksForItself = routes.some(route => route.kind === 'protected' && route.mode === 'machine')
  const isShared = cache.redis !== undefined
  const machineSeal = asksForItself && isShared ? deriveMachineSeal(client, server) : undefined
  const contextFor = (keySetId: string | undefined): CacheKeyContext => ({
    clientId: client.id,
    server,
    machineSeal,
    policyDigest: digestFields('hopgate policy and key', [policyDigest, keySetId]).toString('hex'),
  })
  let keySetId = signer?.keySetId()
  let context = contextFor(keySetId)
  return () => {
    if (signer === undefined || signer.keySetId() === keySetId) return context
    keySetId = signer.keySetId()
    context = contextFor(keySetId)
    return context
  }
}
