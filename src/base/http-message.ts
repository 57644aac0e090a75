import type { PresentedCertificate } from './presented-certificate.ts'

/**
 * A whole HTTP request as plain data, for the small endpoints that Hopgate serves itself (token endpoint, metadata,
 * admin). The proxied traffic never takes this shape: it streams.
 */
export interface HttpRequest {
  readonly method: string
  /** Path without query. */
  readonly path: string
  /** The query without its question mark; empty when there is none. */
  readonly query: string
  /** Lower-case names. A name that came more than once holds every value, in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: string
  /** The peer's address, for rate limits and records. */
  readonly peer: string
  /** What the peer presented in its TLS handshake, where a certificate was asked for. */
  readonly certificate?: PresentedCertificate | undefined
}

/** The answer to an {@link HttpRequest}. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Something that answers whole requests; `undefined` means 'not my path'. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse | undefined>
