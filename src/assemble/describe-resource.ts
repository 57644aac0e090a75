import type { SidecarConfig } from '../config/sidecar-config.ts'
import { describeProtectedResource, type ResourceMetadata } from '../oauth/protected-resource.ts'

/** What a sidecar says of its resource (RFC 9728): the issuers and scopes that callers need are those of the protected routes. */
export function describeResource({
  protectedResource,
  issuers,
  routes,
}: SidecarConfig): ResourceMetadata | undefined {
  if (protectedResource === undefined) return undefined
  return describeProtectedResource({
    ...protectedResource,
    authorizationServers: issuers.map(({ issuer }) => issuer),
    scope: routes.flatMap(route =>
      route.kind === 'protected' ? [...route.scope, ...route.optionalScope] : [],
    ),
  })
}
