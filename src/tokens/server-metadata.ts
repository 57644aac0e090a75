import { type HttpClient, HttpClientError } from '../base/http-client.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject, type JsonObject, parseStrictJsonObject } from '../base/strict-json.ts'
import { isAcceptableTransport } from '../base/transport.ts'
import type { TokenServer } from './client-authentication.ts'

/**
 * Takes from a metadata document (RFC 8414 §2) what its caller uses, and looks at nothing else of it: servers publish
 * endpoints of other origins that are nobody's business here. The issuer was found to be the right one before.
 */
export type MetadataReader<T> = (
  document: JsonObject,
  issuer: string,
  plaintext: boolean,
) => Result<T, string>

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
 * The document must name the very same issuer, and have what the reader takes from it. Redirects are not followed.
 *
 * @returns the error names the address and the reason, for the log
 */
export async function fetchServerMetadata<T>(
  issuer: string,
  read: MetadataReader<T>,
  request: MetadataRequest,
): Promise<Result<T, string>> {
  const addresses = metadataAddresses(issuer, request.plaintext)
  if (!addresses.ok) return addresses
  const deadlineMs = performance.now() + request.timeoutMs
  const reasons: string[] = []
  for (const address of addresses.value) {
    const remainingMs = Math.ceil(deadlineMs - performance.now())
    if (remainingMs <= 0) break
    const metadata = await fetchFrom(address, issuer, read, { ...request, timeoutMs: remainingMs })
    if (metadata.ok) return metadata
    reasons.push(`${address.href}: ${metadata.error}`)
  }
  return fail(reasons.join('; '))
}

/** Where an issuer's keys are. They are believed only at the issuer's own origin, unless the configuration names it. */
export const readKeyLocation: MetadataReader<URL> = (document, issuer, plaintext) => {
  const uri = readEndpoint(document, 'jwks_uri', issuer, plaintext)
  if (uri.ok || uri.error !== 'foreign') return describe('jwks_uri', uri)
  return fail("jwks_uri is not of the issuer's origin; if it is right, configure keys: { jwks_uri: … }")
}

/**
 * The server that a token request can go to. Subject token and credentials are sent to the issuer's own origin only,
 * and only when its keys can be found too, as the issued token is checked with them.
 */
export const readTokenServer: MetadataReader<TokenServer> = (document, issuer, plaintext) => {
  const endpoint = readEndpoint(document, 'token_endpoint', issuer, plaintext)
  if (!endpoint.ok) return describe('token_endpoint', endpoint)
  const keys = readEndpoint(document, 'jwks_uri', issuer, plaintext)
  return keys.ok ? ok({ issuer, tokenEndpoint: endpoint.value }) : describe('jwks_uri', keys)
}

/** Where an issuer answers about its tokens (RFC 7662). Tokens and credentials are sent to its own origin only. */
export const readIntrospectionEndpoint: MetadataReader<URL> = (document, issuer, plaintext) => {
  const endpoint = readEndpoint(document, 'introspection_endpoint', issuer, plaintext)
  if (endpoint.ok || endpoint.error !== 'foreign') return describe('introspection_endpoint', endpoint)
  return fail(
    "introspection_endpoint is not of the issuer's origin; if it is right, configure introspection: { endpoint: … }",
  )
}

/**
 * The same for a client that authenticates with its certificate: a server may have another endpoint for those (RFC 8705
 * §5), whose TLS asks for one.
 */
export const readMtlsTokenServer: MetadataReader<TokenServer> = (document, issuer, plaintext) => {
  const server = readTokenServer(document, issuer, plaintext)
  const aliases = document['mtls_endpoint_aliases']
  if (!server.ok || !isJsonObject(aliases) || aliases['token_endpoint'] === undefined) return server
  const alias = readEndpoint(aliases, 'token_endpoint', issuer, plaintext)
  if (!alias.ok) return describe('token_endpoint of mtls_endpoint_aliases', alias)
  return ok({ issuer, tokenEndpoint: alias.value })
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

async function fetchFrom<T>(
  address: URL,
  issuer: string,
  read: MetadataReader<T>,
  { client, plaintext, timeoutMs, signal }: MetadataRequest,
): Promise<Result<T, string>> {
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
    const document = parseStrictJsonObject(response.body)
    if (document === undefined) return fail('the answer is not a strict JSON object')
    if (document['issuer'] !== issuer) return fail('the document is of another issuer')
    return read(document, issuer, plaintext)
  } catch (cause) {
    if (cause instanceof HttpClientError) return fail(cause.message)
    throw cause
  }
}

type EndpointFault = 'missing' | 'unacceptable' | 'foreign'

function readEndpoint(
  document: JsonObject,
  name: string,
  issuer: string,
  plaintext: boolean,
): Result<URL, EndpointFault> {
  const value = document[name]
  if (value === undefined) return fail('missing')
  const url = typeof value === 'string' ? URL.parse(value) : null
  if (url === null || !isAcceptableTransport(url, plaintext)) return fail('unacceptable')
  return url.origin === new URL(issuer).origin ? ok(url) : fail('foreign')
}

const faults: Readonly<Record<EndpointFault, string>> = {
  missing: 'is missing',
  unacceptable: 'is not an acceptable URL',
  foreign: "is not of the issuer's origin",
}

function describe<T>(name: string, read: Result<T, EndpointFault>): Result<T, string> {
  return read.ok ? read : fail(`${name} ${faults[read.error]}`)
}
