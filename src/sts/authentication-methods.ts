import type { StsClient } from '../config/sidecar-config.ts'

/**
 * Names of methods for metadata (RFC 8414 §2, RFC 8705 §2, draft-ietf-oauth-spiffe-client-auth). A token of a service
 * account has none.
 */
export type AuthenticationMethod =
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'private_key_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'
  | 'spiffe_jwt'
  | 'spiffe_x509'

/** The methods that at least one client may use: no others ever succeed. */
export function authenticationMethods(clients: Iterable<StsClient>): readonly AuthenticationMethod[] {
  const methods = new Set<AuthenticationMethod>()
  for (const { authentication } of clients) {
    if (authentication.kind === 'secret') for (const method of authentication.methods) methods.add(method)
    else if (authentication.kind !== 'kubernetes') methods.add(authentication.kind)
  }
  return [...methods].sort()
}
