import type { Agent } from 'undici'
import type { HttpHandler } from './http-message.ts'

/** A small request to an authorization server: metadata, key set, token endpoint. */
export interface OutgoingRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The whole request, connecting included, ends within this time. */
  readonly timeoutMs: number
  /** A longer answer is an error. Default 256 KiB. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

export interface OutgoingResponse {
  readonly status: number
  /** Lower-case names; the first value of a repeated field. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export type HttpFailure = 'timeout' | 'aborted' | 'unreachable' | 'too_large' | 'encoded'

/** The request got no usable answer. The message names the origin and the reason, never a header or a body. */
export class HttpClientError extends Error {
  override readonly name = 'HttpClientError'
  readonly failure: HttpFailure

  constructor(failure: HttpFailure, url: URL, reason: string) {
    super(`${url.origin}: ${reason}`)
    this.failure = failure
  }
}

/**
 * Sends requests with a deadline and a size cap, follows no redirect (a 3xx is an answer like any other), keeps no
 * cookies and accepts no content coding, so that an answer cannot grow after it was measured.
 */
export interface HttpClient {
  /** @throws HttpClientError */
  send(request: OutgoingRequest): Promise<OutgoingResponse>
  close(): Promise<void>
}

export interface HttpClientOptions {
  /** PEM certificates that are trusted instead of the system's. */
  readonly ca?: string
  /** Handlers that answer for an origin inside this process, such as the embedded token service. */
  readonly local?: ReadonlyMap<string, HttpHandler>
}

const defaultMaxBytes = 256 * 1024

/** A client with its own connection pool. */
export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  let agent: Promise<Agent> | undefined
  let isClosed = false
  return {
    async send(request) {
      const local = options.local?.get(request.url.origin)
      if (local !== undefined) return sendLocally(local, request)
      const timeout = AbortSignal.timeout(request.timeoutMs)
      const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal])
      try {
        if (isClosed) throw new HttpClientError('aborted', request.url, 'the client is closed')
        agent ??= createAgent(options)
        return await sendRemotely(await agent, request, signal)
      } catch (cause) {
        if (cause instanceof HttpClientError) throw cause
        if (timeout.aborted)
          throw new HttpClientError('timeout', request.url, `no answer within ${request.timeoutMs} ms`)
        if (signal.aborted) throw new HttpClientError('aborted', request.url, 'given up')
        throw new HttpClientError('unreachable', request.url, describeCause(cause))
      }
    },
    async close() {
      isClosed = true
      await (await agent)?.destroy()
    },
  }
}

/** undici's index is large; it is loaded with the first request, which is after the process has begun to listen. */
async function createAgent(options: HttpClientOptions): Promise<Agent> {
  const { Agent } = await import('undici')
  return new Agent({
    connections: 32,
    keepAliveTimeout: 10_000,
    connect: {
      // Said, and not left to Node's default, which NODE_TLS_REJECT_UNAUTHORIZED in the environment turns off.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(options.ca !== undefined && { ca: options.ca }),
    },
  })
}

async function sendRemotely(
  agent: Agent,
  request: OutgoingRequest,
  signal: AbortSignal,
): Promise<OutgoingResponse> {
  const maxBytes = request.maxBytes ?? defaultMaxBytes
  const response = await agent.request({
    origin: request.url.origin,
    path: `${request.url.pathname}${request.url.search}`,
    method: request.method,
    headers: { 'accept-encoding': 'identity', ...request.headers },
    body: request.body ?? null,
    signal,
  })
  const headers = firstValues(response.headers)
  const coding = headers.get('content-encoding')
  if (coding !== undefined && coding !== 'identity') {
    // Destroyed before its end the body emits an error, which would be fatal without a listener.
    response.body.on('error', () => {}).destroy()
    throw new HttpClientError(
      'encoded',
      request.url,
      'the answer has a content coding that was not asked for',
    )
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) {
      throw new HttpClientError('too_large', request.url, `the answer is longer than ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return { status: response.statusCode, headers, body: Buffer.concat(chunks).toString('utf8') }
}

async function sendLocally(handler: HttpHandler, request: OutgoingRequest): Promise<OutgoingResponse> {
  const headers = new Map(
    Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), [value]] as const),
  )
  const response = await handler({
    method: request.method,
    path: request.url.pathname,
    query: request.url.search.slice(1),
    headers,
    body: request.body ?? '',
    peer: 'local',
  })
  if (response === undefined) return { status: 404, headers: new Map(), body: '' }
  return {
    status: response.status,
    headers: new Map(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value])),
    body: response.body,
  }
}

function firstValues(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): ReadonlyMap<string, string> {
  const first = new Map<string, string>()
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value) ? value[0] : value
    if (text !== undefined) first.set(name.toLowerCase(), text)
  }
  return first
}

/** Keeps the code of a socket or TLS error and drops everything else that the error may quote. */
function describeCause(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return 'the connection failed'
}
