import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts'
import type { Log } from './log.ts'
import { readPresentedCertificate } from './presented-certificate.ts'
import { withDeadline } from './with-deadline.ts'

export interface ServeOptions {
  /** A longer body is answered 413. */
  readonly maxBodyBytes: number
  /** For the whole header section to arrive. */
  readonly headersTimeoutMs: number
  /** For the whole request to arrive, and then again for the handler to answer it. */
  readonly requestTimeoutMs: number
  readonly log: Log
  /** Absent: plain HTTP. */
  readonly tls?: ServeTls | undefined
}

/** TLS for a server. */
export interface ServeTls {
  options(): TlsOptions
  /** Calls with other options when the files have changed. */
  onChange(use: (options: TlsOptions) => void): void
  /** Whether the options have authorities for clients. */
  readonly hasAuthorities: boolean
}

const maxHeaderBytes = 16 * 1024
const maxConnections = 1024
const keepAliveTimeoutMs = 5_000

/**
 * An HTTP server, not yet listening, that hands whole requests to a handler.
 *
 * Refuses by itself, with an empty body: what is not origin-form (400), two `Host` fields (400), a body that is too
 * long (413), coded (415) or not UTF-8 (400), a late request (408) or handler (503), a handler that throws (500, the
 * reason is logged). A handler's `undefined` is 404. Every answer says `nosniff`, and `no-store` unless the handler
 * says otherwise. Nothing that was received is ever sent back.
 */
export function createHandlerServer(handler: HttpHandler, options: ServeOptions): Server {
  const { server, isOutdated } = openServer(options)
  // The byte limit above is the only one: Node would otherwise drop the fields after the 2,000th and go on.
  server.maxHeadersCount = 0
  server.maxConnections = maxConnections
  const serve = (req: IncomingMessage, res: ServerResponse, waits: boolean): void => {
    answer(handler, options, req, res, waits)
      .catch((cause: unknown) => {
        options.log.error('request handler failed', { error: cause })
        return empty(500)
      })
      .then(response => {
        // While closing, a kept connection would only be broken off later.
        if ((!server.listening || isOutdated(req.socket)) && !res.headersSent) res.shouldKeepAlive = false
        send(req, res, response, options.log)
      })
  }
  server.on('request', (req, res) => serve(req, res, false))
  server.on('checkContinue', (req, res) => serve(req, res, true))
  return server
}

function openServer(options: ServeOptions): {
  readonly server: Server
  /** Whether a connection was made when TLS had other certificates or authorities. */
  readonly isOutdated: (socket: Socket) => boolean
} {
  const { tls, headersTimeoutMs } = options
  const limits = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: Math.max(options.requestTimeoutMs, headersTimeoutMs),
    connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs),
    keepAliveTimeout: keepAliveTimeoutMs,
    requireHostHeader: true,
  }
  if (tls === undefined) return { server: createServer(limits), isOutdated: () => false }
  const server = createTlsServer({ ...limits, handshakeTimeout: headersTimeoutMs, ...tls.options() })
  let current = new WeakSet<Socket>()
  server.on('secureConnection', socket => {
    socket.disableRenegotiation()
    current.add(socket)
  })
  tls.onChange(next => {
    server.setSecureContext(next)
    current = new WeakSet()
    server.closeIdleConnections()
  })
  return { server, isOutdated: socket => !current.has(socket) }
}

async function answer(
  handler: HttpHandler,
  options: ServeOptions,
  req: IncomingMessage,
  res: ServerResponse,
  waitsForContinue: boolean,
): Promise<HttpResponse | undefined> {
  const head = readHead(req)
  if (head === undefined) return empty(400)
  const coding = head.headers.get('content-encoding')
  if (coding?.some(value => value.toLowerCase() !== 'identity')) return empty(415)
  // Node ends the connection of a caller that waits for `100 Continue` in vain.
  if (Number(req.headers['content-length'] ?? 0) > options.maxBodyBytes) return empty(413)
  if (waitsForContinue) res.writeContinue()
  const body = await readBody(req, options.maxBodyBytes)
  if (body === 'gone') return undefined
  if (body === 'too long') return empty(413)
  const text = decodeUtf8(body)
  if (text === undefined) return empty(400)
  const { socket } = req
  const peer = socket.remoteAddress ?? ''
  const certificate = isEncrypted(socket)
    ? readPresentedCertificate(socket, options.tls?.hasAuthorities === true)
    : undefined
  const request: HttpRequest = { ...head, body: text, peer, certificate }
  const response = await withDeadline(
    options.requestTimeoutMs,
    async () => (await handler(request)) ?? empty(404),
  )
  if (response !== undefined) return response
  options.log.error('request handler took too long', { timeoutMs: options.requestTimeoutMs })
  return empty(503, { 'retry-after': '1' })
}

function readHead(req: IncomingMessage): Omit<HttpRequest, 'body' | 'peer'> | undefined {
  const target = req.url ?? ''
  if (!target.startsWith('/') || target.includes('#')) return undefined
  const mark = target.indexOf('?')
  const headers = new Map<string, string[]>()
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) {
    const name = (req.rawHeaders[i] ?? '').toLowerCase()
    const value = req.rawHeaders[i + 1] ?? ''
    const values = headers.get(name)
    if (values === undefined) headers.set(name, [value])
    else values.push(value)
  }
  if ((headers.get('host')?.length ?? 0) > 1) return undefined
  return {
    method: req.method ?? '',
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    headers,
  }
}

/** Reads to the end, or stops keeping at the limit; what follows is then read and dropped within the time limit. */
function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer | 'too long' | 'gone'> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let size = 0
    req.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBytes) {
        chunks.push(chunk)
      } else {
        chunks.length = 0
        resolve('too long')
      }
    })
    req.on('end', () => resolve(Buffer.concat(chunks)))
    req.on('error', () => resolve('gone'))
    req.on('close', () => resolve('gone'))
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function empty(status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers, body: '' }
}

function send(req: IncomingMessage, res: ServerResponse, response: HttpResponse | undefined, log: Log): void {
  if (response === undefined || res.destroyed) return
  try {
    write(req, res, response)
  } catch (cause) {
    // A handler's field that HTTP does not allow.
    log.error('response could not be written', { error: cause })
    write(req, res, empty(500))
  }
}

function write(req: IncomingMessage, res: ServerResponse, response: HttpResponse): void {
  const fields: Record<string, string | number> = {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  }
  for (const name in response.headers) fields[name.toLowerCase()] = response.headers[name] ?? ''
  // What 304 stands for is longer (RFC 9110 §8.6).
  if (response.status !== 204 && response.status !== 304) {
    fields['content-length'] = Buffer.byteLength(response.body)
  }
  res.writeHead(response.status, fields)
  res.end(req.method === 'HEAD' ? undefined : response.body)
}

/** By what Node says of it: to ask for its class would load TLS where nobody speaks it. */
function isEncrypted(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true
}
