/** What a protected resource says of itself (RFC 9728 §2), by our names. */
export interface ProtectedResource {
  /** The resource identifier: an absolute URL without query and fragment. */
  readonly resource: string
  readonly name: string | undefined
  /** URL of something for developers to read. */
  readonly documentation: string | undefined
  /** Issuer identifiers. Those that are no URLs of the web lead nobody to metadata and are left out. */
  readonly authorizationServers: readonly string[]
  readonly scope: readonly string[]
}

/** The metadata of a protected resource, ready to be served. */
export interface ResourceMetadata {
  /** Where it is served, without host. */
  readonly path: string
  /** Where a client finds it; named in challenges. */
  readonly url: string
  /** The JSON text. */
  readonly document: string
}

const wellKnown = '/.well-known/oauth-protected-resource'

/**
 * Prepares the metadata document (RFC 9728 §2). Its place is between host and path of the resource identifier, of which
 * a slash that is the whole path is dropped (§3.1). Tokens are taken from the header only. Members without a value are left
 * out (§2).
 */
export function describeProtectedResource(about: ProtectedResource): ResourceMetadata {
  const url = new URL(about.resource)
  const path = `${wellKnown}${url.pathname === '/' ? '' : url.pathname}`
  const servers = about.authorizationServers.filter(issuer => /^https?:\/\//.test(issuer))
  const scope = [...new Set(about.scope)].sort()
  const document = JSON.stringify({
    resource: about.resource,
    ...(servers.length > 0 && { authorization_servers: servers }),
    ...(scope.length > 0 && { scopes_supported: scope }),
    bearer_methods_supported: ['header'],
    resource_name: about.name,
    resource_documentation: about.documentation,
  })
  return { path, url: `${url.origin}${path}`, document }
}
