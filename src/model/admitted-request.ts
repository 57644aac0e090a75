import type { Route } from './route.ts'

/**
 * A request that passed `accept`: unambiguous, cleaned, and matched to the route that allows it to go on. Later
 * stages see this and not the raw message, so that what was cleaned away cannot come back.
 *
 * @typeParam R narrows the route, so that a stage for protected routes cannot be handed a public one
 */
export interface AdmittedRequest<R extends Route = Route> {
  readonly route: R
  readonly method: string
  /** The request target exactly as it will be forwarded: path and query. */
  readonly target: string
  /** The path that the route was found by, byte for byte the start of {@link target}. */
  readonly path: string
  /** Host and optional port as received, validated. */
  readonly authority: string
  /** The host that the route was found by: lower case, without port and trailing dot. */
  readonly host: string
  /** The one value of the `Authorization` field, if there was one. It is not among {@link headers}. */
  readonly authorization: string | undefined
  /** The one value of the field that carries the token of the person who acts, where such a field is declared. Not among {@link headers}. */
  readonly actorToken: string | undefined
  /** The one value of `Txn-Token`, where Transaction Tokens are taken. Not among {@link headers}. */
  readonly transactionToken: string | undefined
  /** The case that the request names, in the field that is declared for it. */
  readonly caseId: string | undefined
  /** End-to-end header fields that may be forwarded: name, value, name, value, … in the order received. */
  readonly headers: readonly string[]
  /** The socket peer's address. */
  readonly peer: string
  /** Whether the message has a body to forward. */
  readonly hasBody: boolean
  /** What `Content-Length` says, in bytes; undefined when there is none. */
  readonly contentLength: number | undefined
  /** Whether the caller waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean
  /** Whether the caller takes trailers with the response: it said `TE: trailers`, or it is a gRPC call, which has them. */
  readonly acceptsTrailers: boolean
  /** Whether the request has said that trailers follow its body (`Trailer`). */
  readonly announcesTrailers: boolean
  /** How long the caller gives a gRPC call, in milliseconds; undefined for any other request. */
  readonly grpcTimeoutMs: number | undefined
  /** Identifies this request in audit, logs and to upstream: the caller's `X-Request-Id` if well formed, else new. */
  readonly requestId: string
  /** W3C trace context: the caller's trace continued, or a new one. */
  readonly traceId: string
  /** The `traceparent` that upstream gets, with an id of this hop. */
  readonly traceparent: string
}
