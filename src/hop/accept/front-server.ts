import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Refusal, refusal } from '../../model/refusal.ts'

/** The limits of the data port that Node's parser and server enforce. Milliseconds and bytes. */
export interface FrontLimits {
  readonly headerBytes: number
  readonly connections: number
  readonly requestsPerConnection: number
  readonly headersMs: number
  readonly keepAliveMs: number
  readonly bodyIdleMs: number
}

/** Where what arrives goes. */
export interface Front {
  /** A request; `tunnel` is there when it asks for an upgrade that the server lets through. */
  readonly onRequest: (
    received: IncomingMessage,
    response: ServerResponse,
    tunnel?: { socket: Socket; head: Buffer },
  ) => void
  /** Bytes that are no request: the refusal must be answered on the response, which then closes. */
  readonly onUnreadable: (socket: Socket, reason: Refusal) => void
}

/**
 * The server of the data port, not yet listening. Node's parser refuses most ambiguous framing by itself (two lengths,
 * folded fields, bare line feeds); what it lets through, `accept` looks at.
 */
export function createFrontServer(limits: FrontLimits, front: Front): Server {
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    // Bodies may take as long as they move: an idle socket is what ends.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(1_000, limits.headersMs),
    requireHostHeader: false,
    insecureHTTPParser: false,
    noDelay: true,
    shouldUpgradeCallback: received => received.headers.upgrade?.toLowerCase() === 'websocket',
  })
  /** Sockets that a first request came on: what follows it is never answered out of turn. */
  const answering = new WeakSet<Duplex>()
  // Past Node's own count it would drop fields and go on; `accept` counts them instead.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.maxRequestsPerSocket = limits.requestsPerConnection
  server.setTimeout(limits.bodyIdleMs)
  const onRequest = (received: IncomingMessage, response: ServerResponse): void => {
    answering.add(received.socket)
    front.onRequest(received, response)
  }
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', onRequest)
  server.on('upgrade', (received: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = duplex as Socket
    socket.on('error', () => socket.destroy())
    front.onRequest(received, responseFor(received, socket), { socket, head })
  })
  server.on('connect', (received: IncomingMessage, duplex: Duplex) => {
    const socket = duplex as Socket
    socket.on('error', () => socket.destroy())
    front.onRequest(received, responseFor(received, socket))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, duplex: Duplex) => {
    const socket = duplex as Socket
    const reason = unreadable(error.code)
    // Between an answer's bytes, or behind a request that is still being answered, a 400 would be read as part of it.
    if (reason === undefined || !socket.writable || socket.bytesWritten > 0 || answering.has(socket))
      socket.destroy()
    else front.onUnreadable(socket, reason)
  })
  return server
}

/** Node hands over the bare socket of an upgrade; refusing it takes a response. */
function responseFor(received: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(received)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => socket.end())
  return response
}

function unreadable(code: string | undefined): Refusal | undefined {
  if (code === 'ECONNRESET' || code === 'EPIPE') return undefined
  if (code === 'HPE_HEADER_OVERFLOW') return refusal('request.header_too_large', code)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refusal('request.timeout', code)
  return refusal('request.malformed', code ?? 'unreadable')
}
