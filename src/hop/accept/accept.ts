import { fieldValues } from '../../base/field-values.ts'
import type { HeaderFlaw } from '../../base/http-caller.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { ContextHeaders } from '../../config/sidecar-config.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { Route } from '../../model/route.ts'
import type { ResourceMetadata } from '../../oauth/protected-resource.ts'
import { readHost } from './authority.ts'
import { type CleanHeaders, cleanHeaders } from './clean-headers.ts'
import { pushForwardingFields } from './forwarding-fields.ts'
import { readMaxForwards } from './max-forwards.ts'
import { readOccasion, readTransaction } from './occasion.ts'
import { hasTokenInQuery, readRequestTarget } from './request-target.ts'
import { answerResourceMetadata } from './resource-metadata.ts'
import type { RouteTable } from './route-table.ts'
import { continueTrace, randomHex } from './trace-context.ts'
import type { IsTrustedProxy } from './trusted-proxies.ts'

/** What accept reads of a message: Node's `IncomingMessage` has it all, and tests can write it down. */
export interface ReceivedRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersion: string
  /** Whether the server let the message ask for another protocol; Node sets it. */
  readonly upgrade?: boolean | null
  readonly rawHeaders: readonly string[]
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean }
  readonly hasBody?: boolean
  readonly flaw?: HeaderFlaw | undefined
}

export interface AcceptOptions {
  readonly routes: RouteTable
  readonly isTrustedProxy: IsTrustedProxy
  readonly targetBytes: number
  readonly headerCount: number
  readonly bodyBytes: number | undefined
  /** Why another request would be too many; undefined when there is room. */
  readonly overload: () => string | undefined
  /** The fields by which callers tell the occasion. */
  readonly context: ContextHeaders
  /** This hop's name in `Via`; a request that carries it has been here before. */
  readonly pseudonym: string
  /** Answered here instead of being forwarded; undefined leaves its path to the routes. */
  readonly resourceMetadata?: ResourceMetadata | undefined
}

export type Accept = (received: ReceivedRequest) => Result<AdmittedRequest, Refusal>

const requestIdSyntax = /^[A-Za-z0-9._~:+/=-]{8,128}$/

/**
 * The first stage: refuses what two readers could read in two ways, takes out what is not for the next hop, and finds
 * the route. Whatever passes has one target, one host, at most one credential and no field that only a gateway sets.
 */
export function createAccept(options: AcceptOptions): Accept {
  return received => {
    const { method = '', url = '' } = received
    const overload = options.overload()
    if (overload !== undefined) return fail(refusal('sidecar.overloaded', overload))
    if (method === 'TRACE' || method === 'CONNECT')
      return fail(refusal('request.method', `${method} is never forwarded`))
    const { flaw } = received
    if (flaw !== undefined) {
      const isTooLarge = flaw.kind === 'too large'
      return fail(refusal(isTooLarge ? 'request.header_too_large' : 'request.malformed', flaw.detail))
    }
    if (url.length > options.targetBytes) {
      return fail(refusal('request.target_too_long', `a target of ${url.length} bytes`))
    }
    if (received.rawHeaders.length > 2 * options.headerCount) {
      return fail(refusal('request.header_too_large', `${received.rawHeaders.length / 2} header fields`))
    }
    const cleaned = cleanHeaders(received.rawHeaders, received.httpVersion)
    if (!cleaned.ok) return cleaned
    const headers = cleaned.value
    const occasion = readOccasion(headers.forwardable, options.context)
    if (!occasion.ok) return occasion
    const transaction = readTransaction(received.rawHeaders, options.context)
    if (!transaction.ok) return transaction
    const host = readHost(headers.host)
    if (host === undefined) return fail(refusal('request.malformed', 'a Host that is not one host and port'))
    const target = readRequestTarget(url, headers.host)
    if (target === undefined)
      return fail(refusal('request.malformed', 'a target that readers could disagree on'))
    if (hasTokenInQuery(target.target)) return fail(refusal('token.ambiguous', 'access_token in the query'))
    const metadata = answerResourceMetadata(options.resourceMetadata, method, target.path)
    if (metadata !== undefined) return fail(metadata)

    const route = options.routes.find(host, method, target.path)
    if (isMethodList(route)) return fail(noRoute(route))
    const upgrading = received.upgrade === true
    const wrong =
      checkMessage(headers, options) ?? (upgrading ? checkUpgrade(headers, method, route) : undefined)
    if (wrong !== undefined) return fail(wrong)
    // For other methods it means nothing (RFC 9110 §7.6.2).
    const forwards = method === 'OPTIONS' ? readMaxForwards(headers.maxForwards) : Infinity
    if (forwards === undefined) return fail(refusal('request.malformed', 'a Max-Forwards that is no number'))
    if (forwards === 0) {
      const allow = options.routes.methods(host, target.path)
      return fail({ ...refusal('request.max_forwards', 'Max-Forwards ends here'), allow })
    }

    const peer = received.socket.remoteAddress ?? 'unknown'
    const trace = continueTrace(headers.traceparent)
    const forwardable = trace.continued ? headers.forwardable : withoutTracestate(headers.forwardable)
    pushForwardingFields(forwardable, {
      peer,
      authority: headers.host,
      scheme: received.socket.encrypted === true ? 'https' : 'http',
      before: options.isTrustedProxy(peer) ? headers.forwarded : nothingBefore,
    })
    const via = `${received.httpVersion} ${options.pseudonym}`
    forwardable.push('Via', headers.via.length === 0 ? via : `${headers.via.join(', ')}, ${via}`)
    if (forwards !== Infinity) forwardable.push('Max-Forwards', String(forwards - 1))
    const requestId =
      headers.requestId !== undefined && requestIdSyntax.test(headers.requestId)
        ? headers.requestId
        : randomHex(16)
    forwardable.push('X-Request-Id', requestId, 'traceparent', trace.traceparent)
    return ok({
      route,
      method,
      target: target.target,
      path: target.path,
      authority: headers.host,
      host,
      authorization: headers.authorization,
      actorToken: occasion.value.actorToken,
      caseId: occasion.value.caseId,
      transactionToken: transaction.value,
      headers: forwardable,
      peer,
      hasBody: received.hasBody ?? headers.hasBody,
      contentLength: headers.contentLength,
      // An HTTP/1.0 caller cannot read an interim response (RFC 9110 §10.1.1).
      expectsContinue: headers.expect !== undefined && received.httpVersion !== '1.0',
      acceptsTrailers: headers.acceptsTrailers,
      announcesTrailers: headers.announcesTrailers,
      grpcTimeoutMs: headers.grpcTimeoutMs,
      requestId,
      traceId: trace.traceId,
      traceparent: trace.traceparent,
    })
  }
}

const nothingBefore: ReadonlyMap<string, string> = new Map()

function checkMessage(headers: CleanHeaders, options: AcceptOptions): Refusal | undefined {
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    return refusal('request.expectation', 'an Expect other than 100-continue')
  }
  if (options.bodyBytes !== undefined && (headers.contentLength ?? 0) > options.bodyBytes) {
    return refusal('request.body_too_large', `a body of ${headers.contentLength} bytes`)
  }
  if (
    headers.via.some(value =>
      value.split(',').some(entry => entry.trim().split(' ')[1] === options.pseudonym),
    )
  ) {
    return refusal('request.loop', 'Via says that the request has been here before')
  }
  return undefined
}

/** The server asks for an upgrade of `websocket` only; any other `Upgrade` is ignored, as RFC 9110 §7.8 allows. */
function checkUpgrade(headers: CleanHeaders, method: string, route: Route): Refusal | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return refusal('request.malformed', 'an Upgrade other than websocket')
  if (!route.websocket) return refusal('request.malformed', 'the route takes no websocket')
  if (method !== 'GET' || headers.hasBody)
    return refusal('request.malformed', 'an Upgrade that is not a GET without body')
  return checkOrigin(headers, route)
}

/**
 * Browsers let any page open a WebSocket to anywhere, with whatever the browser knows of the user there, and say in
 * `Origin` whose page it is (RFC 6455 §10.2).
 */
function checkOrigin({ forwardable }: CleanHeaders, { websocketOrigins }: Route): Refusal | undefined {
  if (websocketOrigins === undefined) return undefined
  const [origin, ...further] = fieldValues(forwardable, 'origin')
  if (origin === undefined || (further.length === 0 && websocketOrigins.includes(origin))) return undefined
  return refusal('request.origin', 'a page of another origin')
}

function isMethodList(found: Route | readonly string[]): found is readonly string[] {
  return Array.isArray(found)
}

function noRoute(allow: readonly string[]): Refusal {
  if (allow.length === 0) return refusal('route.not_found', 'no route takes this host and path')
  return { ...refusal('route.method_not_allowed', 'no route takes this method here'), allow }
}

function withoutTracestate(fields: string[]): string[] {
  if (!fields.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'tracestate')) return fields
  return fields.filter((_, index) => fields[index - (index % 2)]?.toLowerCase() !== 'tracestate')
}
