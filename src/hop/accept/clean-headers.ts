import { connectionOptions, removeFields } from '../../base/connection-options.ts'
import { isGrpc, parseGrpcTimeout } from '../../base/grpc-request.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { classifyHeader } from '../../model/header-class.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'

/** A message's header section after everything that is not the next hop's business was taken out. */
export interface CleanHeaders {
  /** End-to-end fields: name, value, name, value, … in the order received. */
  readonly forwardable: string[]
  readonly authorization: string | undefined
  readonly host: string
  readonly hasBody: boolean
  readonly contentLength: number | undefined
  readonly upgrade: string | undefined
  readonly expect: string | undefined
  readonly maxForwards: string | undefined
  readonly traceparent: string | undefined
  readonly requestId: string | undefined
  readonly acceptsTrailers: boolean
  readonly announcesTrailers: boolean
  /** Of a gRPC call, in milliseconds. */
  readonly grpcTimeoutMs: number | undefined
  /** Values of `Via`, in order. */
  readonly via: readonly string[]
  /** Fields of proxies in front, kept apart until it is known whether the peer is trusted. Lower-case names. */
  readonly forwarded: ReadonlyMap<string, string>
}

const none: readonly string[] = []
const noForwarded: ReadonlyMap<string, string> = new Map()

/** Fields that a `Connection` field must not name: dropping them would change who asks, or where the message ends. */
const neverNominated: ReadonlySet<string> = new Set([
  'authorization',
  'host',
  'content-length',
  'transfer-encoding',
])

/**
 * Cleans the header section of a request (RFC 9110 §7.6.1). Connection-nominated fields are removed before anything
 * is added, so that a caller cannot make the next hop delete what Hopgate sets.
 *
 * @param raw name, value, name, value, … as Node's parser read them; its `headers` object hides repeated fields
 * @returns the refusal for what is ambiguous: repeated `Authorization` or `Host`, odd framing, a nominated credential
 */
export function cleanHeaders(raw: readonly string[], httpVersion: string): Result<CleanHeaders, Refusal> {
  const forwardable: string[] = []
  let authorization: string | undefined
  let host: string | undefined
  let contentLength: number | undefined
  let chunked = false
  let upgrade: string | undefined
  let expect: string | undefined
  let maxForwards: string | undefined
  let traceparent: string | undefined
  let traceparents = 0
  let requestId: string | undefined
  let te: string | undefined
  let announcesTrailers = false
  let isGrpcCall = false
  let grpcTimeout: string | undefined
  let connection: string | undefined
  let via: string[] | undefined
  let forwarded: Map<string, string> | undefined

  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    switch (classifyHeader(name)) {
      case 'end-to-end':
        forwardable.push(name, value)
        break
      case 'dropped':
        break
      case 'authorization':
        if (authorization !== undefined) return fail(refusal('token.ambiguous', 'two Authorization fields'))
        authorization = value
        break
      case 'host':
        if (host !== undefined) return fail(refusal('request.malformed', 'two Host fields'))
        host = value
        break
      case 'content-length':
        if (contentLength !== undefined)
          return fail(refusal('request.malformed', 'two Content-Length fields'))
        contentLength = Number(value)
        forwardable.push(name, value)
        break
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked' || httpVersion !== '1.1') {
          return fail(refusal('request.malformed', 'a Transfer-Encoding other than one chunked'))
        }
        chunked = true
        break
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`
        break
      case 'upgrade':
        upgrade = upgrade === undefined ? value : `${upgrade},${value}`
        break
      case 'expect':
        expect = expect === undefined ? value : `${expect},${value}`
        break
      case 'max-forwards':
        maxForwards = maxForwards === undefined ? value : `${maxForwards},${value}`
        break
      case 'traceparent':
        traceparents += 1
        traceparent = traceparents === 1 ? value : undefined
        break
      case 'request-id':
        requestId = value
        break
      case 'te':
        te = te === undefined ? value : `${te},${value}`
        break
      case 'trailer':
        announcesTrailers = true
        break
      case 'content-type':
        isGrpcCall ||= isGrpc(value)
        forwardable.push(name, value)
        break
      case 'grpc-timeout':
        grpcTimeout = value
        forwardable.push(name, value)
        break
      case 'via':
        via ??= []
        via.push(value)
        break
      case 'forwarded': {
        forwarded ??= new Map()
        const lower = name.toLowerCase()
        const before = forwarded.get(lower)
        forwarded.set(lower, before === undefined ? value : `${before}, ${value}`)
        break
      }
    }
  }

  if (host === undefined) return fail(refusal('request.malformed', 'no Host field'))
  if (chunked && contentLength !== undefined) {
    return fail(refusal('request.malformed', 'both Content-Length and Transfer-Encoding'))
  }
  if (connection !== undefined && !isUsualConnection(connection)) {
    const nominated = connectionOptions(connection)
    const forbidden = nominated.find(option => neverNominated.has(option))
    if (forbidden !== undefined) return fail(refusal('request.malformed', `Connection names ${forbidden}`))
    removeFields(forwardable, new Set(nominated))
    if (nominated.includes('traceparent')) traceparent = undefined
    if (nominated.includes('x-request-id')) requestId = undefined
    if (nominated.includes('via')) via = undefined
    if (nominated.includes('max-forwards')) maxForwards = undefined
    if (forwarded !== undefined) for (const option of nominated) forwarded.delete(option)
  }
  return ok({
    forwardable,
    authorization,
    host,
    hasBody: chunked || (contentLength !== undefined && contentLength > 0),
    contentLength,
    upgrade,
    expect,
    maxForwards,
    traceparent,
    requestId,
    acceptsTrailers: isGrpcCall || (te !== undefined && namesTrailers(te)),
    announcesTrailers,
    grpcTimeoutMs: isGrpcCall && grpcTimeout !== undefined ? parseGrpcTimeout(grpcTimeout) : undefined,
    via: via ?? none,
    forwarded: forwarded ?? noForwarded,
  })
}

/** Whether a `TE` field says that trailers are taken (RFC 9110 §10.1.4). */
function namesTrailers(te: string): boolean {
  return te.split(',').some(coding => coding.trim().toLowerCase() === 'trailers')
}

/** The values that nearly every request has nominate nothing. */
function isUsualConnection(value: string): boolean {
  return value === 'keep-alive' || value === 'close' || value === 'Upgrade' || value === 'upgrade'
}
