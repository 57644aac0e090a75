import { type HttpClient, HttpClientError } from '../base/http-client.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type JsonObject, parseStrictJsonObject } from '../base/strict-json.ts'
import { isAcceptableTransport } from '../base/transport.ts'

/** What an authorization server says about itself (RFC 8414 §2), as far as Hopgate uses it. */
export interface ServerMetadata {
  readonly issuer: string
  readonly tokenEndpoint: URL
  readonly jwksUri: URL
  readonly introspectionEndpoint: URL | undefined
  readonly revocationEndpoint: URL | undefined
  /** `client_secret_basic` when the server names none, as RFC 8414 §2 has it. */
  readonly tokenEndpointAuthMethods: readonly string[]
  readonly tokenEndpointAuthSigningAlgorithms: readonly string[] | undefined
  readonly grantTypes: readonly string[] | undefined
}

export interface MetadataRequest {
  readonly client: HttpClient
  /** Allows `http:` outside loopback. */
  readonly plaintext: boolean
  /** For both addresses together. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

const maxBytes = 512 * 1024

/**
 * Fetches the metadata of an issuer: at the address of RFC 8414 §3.1, then at the one of OpenID Connect Discovery §4.
 * The document must name the very same issuer, and every endpoint that Hopgate uses must be of the issuer's origin: a
 * document that sends keys or credentials elsewhere is refused. Redirects are not followed.
 *
 * @returns the error names the address and the reason, for the log
 */
export async function fetchServerMetadata(
  issuer: string,
  request: MetadataRequest,
): Promise<Result<ServerMetadata, string>> {
  const addresses = metadataAddresses(issuer, request.plaintext)
  if (!addresses.ok) return addresses
  const deadlineMs = performance.now() + request.timeoutMs
  const reasons: string[] = []
  for (const address of addresses.value) {
    const remainingMs = Math.ceil(deadlineMs - performance.now())
    if (remainingMs <= 0) break
    const metadata = await fetchFrom(address, issuer, { ...request, timeoutMs: remainingMs })
    if (metadata.ok) return metadata
    reasons.push(`${address.href}: ${metadata.error}`)
  }
  return fail(reasons.join('; '))
}

/**
 * Reads a metadata document.
 *
 * @param issuer the identifier that the document was asked for
 */
export function readServerMetadata(
  body: string,
  issuer: string,
  plaintext: boolean,
): Result<ServerMetadata, string> {
  const document = parseStrictJsonObject(body)
  if (document === undefined) return fail('the answer is not a strict JSON object')
  if (document.issuer !== issuer) return fail('the document is of another issuer')
  const endpoints = readEndpoints(document, new URL(issuer).origin, plaintext)
  if (!endpoints.ok) return endpoints
  const { token_endpoint: tokenEndpoint, jwks_uri: jwksUri } = endpoints.value
  if (tokenEndpoint === undefined) return fail('token_endpoint is missing')
  if (jwksUri === undefined) return fail('jwks_uri is missing')
  return ok({
    issuer,
    tokenEndpoint,
    jwksUri,
    introspectionEndpoint: endpoints.value.introspection_endpoint,
    revocationEndpoint: endpoints.value.revocation_endpoint,
    tokenEndpointAuthMethods: readStrings(document.token_endpoint_auth_methods_supported) ?? [
      'client_secret_basic',
    ],
    tokenEndpointAuthSigningAlgorithms: readStrings(
      document.token_endpoint_auth_signing_alg_values_supported,
    ),
    grantTypes: readStrings(document.grant_types_supported),
  })
}

/** The two addresses of an issuer's metadata. RFC 8414 inserts the well-known path, OpenID Connect appends it. */
export function metadataAddresses(issuer: string, plaintext: boolean): Result<readonly URL[], string> {
  const url = URL.parse(issuer)
  if (url === null || /[?#]/.test(issuer) || !isAcceptableTransport(url, plaintext)) {
    return fail('the issuer is not an https URL without query and fragment')
  }
  const path = url.pathname.replace(/\/$/, '')
  return ok([
    withPath(url, `/.well-known/oauth-authorization-server${path}`),
    withPath(url, `${path}/.well-known/openid-configuration`),
  ])
}

/** Not by resolving: a path of `//host` would be taken for another host. */
function withPath(url: URL, path: string): URL {
  const copy = new URL(url)
  copy.pathname = path
  return copy
}

async function fetchFrom(
  address: URL,
  issuer: string,
  { client, plaintext, timeoutMs, signal }: MetadataRequest,
): Promise<Result<ServerMetadata, string>> {
  try {
    const response = await client.send({
      method: 'GET',
      url: address,
      headers: { accept: 'application/json' },
      timeoutMs,
      maxBytes,
      ...(signal !== undefined && { signal }),
    })
    if (response.status !== 200) return fail(`status ${response.status}`)
    return readServerMetadata(response.body, issuer, plaintext)
  } catch (cause) {
    if (cause instanceof HttpClientError) return fail(cause.message)
    throw cause
  }
}

const endpointNames = ['token_endpoint', 'jwks_uri', 'introspection_endpoint', 'revocation_endpoint'] as const

type Endpoints = Readonly<Partial<Record<(typeof endpointNames)[number], URL>>>

function readEndpoints(document: JsonObject, origin: string, plaintext: boolean): Result<Endpoints, string> {
  const endpoints: Partial<Record<(typeof endpointNames)[number], URL>> = {}
  for (const name of endpointNames) {
    const value = document[name]
    if (value === undefined) continue
    const url = typeof value === 'string' ? URL.parse(value) : null
    if (url === null || !isAcceptableTransport(url, plaintext))
      return fail(`${name} is not an acceptable URL`)
    if (url.origin !== origin) return fail(`${name} is not of the issuer's origin`)
    endpoints[name] = url
  }
  return ok(endpoints)
}

function readStrings(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined
}
