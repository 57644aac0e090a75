import { signatureAlgorithms } from '../tokens/signature-algorithm.ts'
import type { AuthenticationMethod } from './authentication-methods.ts'
import type { EndpointPaths } from './endpoint-paths.ts'
import type { Signer } from './signer.ts'

/** The authorization server metadata document (RFC 8414 §2). It names no client, audience or scope. */
export function authorizationServerMetadata(
  issuer: string,
  paths: EndpointPaths,
  grantTypes: readonly string[],
  signer: Signer,
  methods: readonly AuthenticationMethod[],
): Readonly<Record<string, unknown>> {
  const algorithms = Object.keys(signatureAlgorithms)
  return {
    issuer,
    token_endpoint: paths.tokenUrl,
    jwks_uri: paths.keySetUrl,
    grant_types_supported: grantTypes,
    // Required by RFC 8414 §2; there is no authorization endpoint, so there is none.
    response_types_supported: [],
    // RFC 8414 §2 has no default for the other endpoints, though all authenticate alike here.
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    introspection_endpoint: paths.introspectionUrl,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    // RFC 9701 §7.
    introspection_signing_alg_values_supported: [...new Set(signer.publicKeys().map(key => key.alg))],
    revocation_endpoint: paths.revocationUrl,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
  }
}
