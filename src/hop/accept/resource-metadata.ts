import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ResourceMetadata } from '../../oauth/protected-resource.ts'

/**
 * Answers a request for the metadata of the protected resource (RFC 9728 §3), which goes no further: upstream is not the
 * one that knows whose tokens are taken here. By GET and HEAD only.
 *
 * @returns undefined for every other path
 */
export function answerResourceMetadata(
  resource: ResourceMetadata | undefined,
  method: string,
  path: string,
): Refusal | undefined {
  if (resource === undefined || path !== resource.path) return undefined
  if (method !== 'GET' && method !== 'HEAD') {
    const allow = ['GET', 'HEAD']
    return { ...refusal('route.method_not_allowed', 'metadata is read by GET and HEAD'), allow }
  }
  const { document } = resource
  return { ...refusal('request.resource_metadata', 'metadata of the resource'), document }
}
