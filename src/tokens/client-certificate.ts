import type { ClientAuthentication } from './client-authentication.ts'

/**
 * Authenticates with the certificate of the TLS connection (RFC 8705 §2, and X.509-SVIDs): `exchange.tls` has it, and the
 * form only says whose it is.
 */
export function clientCertificate({ id }: { readonly id: string }): ClientAuthentication {
  return form => form.set('client_id', id)
}

/** Whether a method needs a certificate on the connection to the token endpoint. */
export function usesCertificate(authentication: string): boolean {
  return ['tls_client_auth', 'self_signed_tls_client_auth', 'spiffe_x509'].includes(authentication)
}
