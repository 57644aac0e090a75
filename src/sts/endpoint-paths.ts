/** Where the token service answers: URLs for its metadata, paths for its routing. */
export interface EndpointPaths {
  /** RFC 8414 §3: the well-known segment goes between host and the issuer's path. */
  readonly authorizationServerMetadata: string
  /** OpenID Connect Discovery §4: the well-known segment comes after the issuer's path. */
  readonly openidConfiguration: string
  readonly keySet: string
  readonly token: string
  readonly introspection: string
  readonly revocation: string
  readonly keySetUrl: string
  readonly tokenUrl: string
  readonly introspectionUrl: string
  readonly revocationUrl: string
}

/**
 * Derives every address from the issuer identifier.
 *
 * @throws TypeError when it is no http(s) URL, or has a query, a fragment or user information (RFC 8414 §2)
 */
export function endpointPaths(issuer: string): EndpointPaths {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || /[?#]/.test(issuer) || url.username !== '') {
    throw new TypeError(`not an issuer identifier: ${JSON.stringify(issuer)}`)
  }
  const base = url.pathname.replace(/\/$/, '')
  return {
    authorizationServerMetadata: `/.well-known/oauth-authorization-server${base}`,
    openidConfiguration: `${base}/.well-known/openid-configuration`,
    keySet: `${base}/jwks`,
    token: `${base}/token`,
    introspection: `${base}/introspect`,
    revocation: `${base}/revoke`,
    keySetUrl: `${url.origin}${base}/jwks`,
    tokenUrl: `${url.origin}${base}/token`,
    introspectionUrl: `${url.origin}${base}/introspect`,
    revocationUrl: `${url.origin}${base}/revoke`,
  }
}
