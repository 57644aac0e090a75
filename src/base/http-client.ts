import type { IncomingHttpHeaders } from 'node:http'
import type { Agent, Dispatcher } from 'undici'
import type { HttpHandler } from './http-message.ts'
import type { TlsMaterial } from './tls-material.ts'

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
  /**
   * Authorities and an own certificate, each for one origin and for no other. New connections are made with what the
   * material is then.
   */
  readonly tls?: ReadonlyMap<string, TlsMaterial>
  /** Handlers that answer for an origin inside this process, such as the embedded token service. */
  readonly local?: ReadonlyMap<string, HttpHandler>
}

const defaultMaxBytes = 256 * 1024

/** A client with its own connection pool. */
export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  const agents = new AgentPool(options.tls ?? new Map())
  return {
    async send(request) {
      const local = options.local?.get(request.url.origin)
      if (local !== undefined) return sendLocally(local, request)
      const agent = agents.of(request.url.origin)
      if (agent === undefined) throw new HttpClientError('aborted', request.url, 'the client is closed')
      const pending = new PendingResponse(request)
      // The time runs while the library is loaded, too.
      agent.then(
        loaded => pending.sendWith(loaded),
        cause => pending.onResponseError(undefined, cause),
      )
      return pending.result
    },
    close: () => agents.close(),
  }
}

/** Connections by origin: those with TLS material of their own, and all others together. */
class AgentPool {
  readonly #materials: ReadonlyMap<string, TlsMaterial>
  readonly #agents = new Map<TlsMaterial | undefined, Promise<Agent>>()
  readonly #ignore: (() => void)[]
  #isClosed = false

  constructor(materials: ReadonlyMap<string, TlsMaterial>) {
    this.#materials = materials
    this.#ignore = [...new Set(materials.values())].map(material =>
      material.onChange(() => this.#retire(material)),
    )
  }

  /** undefined when it is closed. */
  of(origin: string): Promise<Agent> | undefined {
    if (this.#isClosed) return undefined
    const material = this.#materials.get(origin)
    const agent = this.#agents.get(material) ?? createAgent(material)
    this.#agents.set(material, agent)
    return agent
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const ignore of this.#ignore) ignore()
    await Promise.all([...this.#agents.values()].map(async agent => (await agent).destroy()))
  }

  /** Requests under way end with what they began with. */
  #retire(material: TlsMaterial): void {
    const agent = this.#agents.get(material)
    this.#agents.delete(material)
    agent?.then(before => before.close()).catch(() => {})
  }
}

/** Loaded with the first request, which is after the process has begun to listen, and without the rest of the library. */
async function createAgent(material: TlsMaterial | undefined): Promise<Agent> {
  // @ts-expect-error: only the index has types, and it loads five times as many modules, before the process is ready.
  const library: { readonly default: typeof Agent } = await import('undici/lib/dispatcher/agent.js')
  return new library.default({
    connections: 32,
    keepAliveTimeout: 10_000,
    connect: {
      // Said, and not left to Node's default, which NODE_TLS_REJECT_UNAUTHORIZED in the environment turns off.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      // A session that is resumed would go on with the certificate that it was made with.
      ...(material !== undefined && { secureContext: material.context(), maxCachedSessions: 0 }),
    },
  })
}

/**
 * One request under way: what undici calls as its answer arrives. Its own interface with a promise for each step and a
 * stream for the body costs a multiple of this, and so do signals with a time limit, which live on when nobody needs
 * them any more.
 */
class PendingResponse implements Dispatcher.DispatchHandler {
  readonly result: Promise<OutgoingResponse>
  readonly #request: OutgoingRequest
  readonly #maxBytes: number
  readonly #timer: NodeJS.Timeout
  readonly #chunks: Buffer[] = []
  #resolve: (response: OutgoingResponse) => void = () => {}
  #reject: (cause: HttpClientError) => void = () => {}
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: OutgoingResponse['headers'] = new Map()
  #size = 0
  #failure: HttpClientError | undefined
  #isOver = false

  constructor(request: OutgoingRequest) {
    this.#request = request
    this.#maxBytes = request.maxBytes ?? defaultMaxBytes
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#timer = setTimeout(this.#onTimeout, request.timeoutMs)
    if (request.signal?.aborted === true) this.#onAbort()
    else request.signal?.addEventListener('abort', this.#onAbort)
  }

  sendWith(agent: Agent): void {
    if (this.#isOver) return
    const { url, method, headers, body = null } = this.#request
    try {
      agent.dispatch(
        {
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method,
          headers: { 'accept-encoding': 'identity', ...headers },
          body,
        },
        this,
      )
    } catch (cause) {
      this.onResponseError(undefined, cause)
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#failure !== undefined) controller.abort(this.#failure)
    else this.#controller = controller
  }

  onResponseStart(_controller: unknown, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    this.#headers = firstValues(headers)
    const coding = this.#headers.get('content-encoding')
    if (coding !== undefined && coding !== 'identity') {
      this.#fail('encoded', 'the answer has a content coding that was not asked for')
    }
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (this.#isOver) return
    this.#size += chunk.length
    if (this.#size > this.#maxBytes) {
      this.#fail('too_large', `the answer is longer than ${this.#maxBytes} bytes`)
    } else {
      this.#chunks.push(chunk)
    }
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#settle()
    const [first = empty] = this.#chunks
    const bytes = this.#chunks.length > 1 ? Buffer.concat(this.#chunks) : first
    this.#resolve({ status: this.#status, headers: this.#headers, body: bytes.toString('utf8') })
  }

  onResponseError(_controller: unknown, cause: unknown): void {
    this.#fail('unreachable', describeCause(cause))
  }

  readonly #onTimeout = (): void => {
    this.#fail('timeout', `no answer within ${this.#request.timeoutMs} ms`)
  }

  readonly #onAbort = (): void => {
    this.#fail('aborted', 'given up')
  }

  #fail(failure: HttpFailure, reason: string): void {
    if (this.#isOver) return
    this.#settle()
    this.#failure = new HttpClientError(failure, this.#request.url, reason)
    this.#reject(this.#failure)
    this.#controller?.abort(this.#failure)
  }

  #settle(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#request.signal?.removeEventListener('abort', this.#onAbort)
  }
}

const empty = Buffer.alloc(0)

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

function firstValues(headers: IncomingHttpHeaders): OutgoingResponse['headers'] {
  const first = new Map<string, string>()
  for (const name in headers) {
    const value = headers[name]
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
