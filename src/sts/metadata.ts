import { signatureAlgorithms } from '../tokens/signature-algorithm.ts'
import type { EndpointPaths } from './endpoint-paths.ts'

/** The authorization server metadata document (RFC 8414 §2). It names no client, audience or scope. */
export function authorizationServerMetadata(
  issuer: string,
  paths: EndpointPaths,
  grantTypes: readonly string[],
): Readonly<Record<string, unknown>> {
  return {
    issuer,
    token_endpoint: paths.tokenUrl,
    jwks_uri: paths.keySetUrl,
    grant_types_supported: grantTypes,
    // Required by RFC 8414 §2; there is no authorization endpoint, so there is none.
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: Object.keys(signatureAlgorithms),
  }
}
