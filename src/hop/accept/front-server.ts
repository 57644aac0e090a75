import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Caller } from '../../base/http-caller.ts'
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
  readonly onRequest: (caller: Caller) => void
  /**
   * Bytes that are no request. The connection must end.
   *
   * @param mayAnswer false when another answer is under way: a second one would be read as part of it
   */
  readonly onUnreadable: (socket: Socket, reason: Refusal, mayAnswer: boolean) => void
}

/**
 * The server of the data port, not yet listening. Node's parser refuses most ambiguous framing by itself (two lengths,
 * folded fields, bare line feeds); what it lets through, `accept` looks at.
 *
 * @param detached gets the sockets that Node lets go of (upgrades and CONNECT) while they are open: closing the server
 *   does not end those, whoever closes it must
 */
export function createFrontServer(limits: FrontLimits, front: Front, detached: Set<Socket>): Server {
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
    // HTTP/1.0 knows no Upgrade (RFC 9110 §7.8); any other protocol is ignored.
    shouldUpgradeCallback: ({ httpVersion, headers }) =>
      httpVersion === '1.1' && headers.upgrade?.toLowerCase() === 'websocket',
  })
  /** The newest response of each socket. Answers leave in order: when it is closed, so are those before it. */
  const newest = new WeakMap<Duplex, ServerResponse>()
  const isAnswering = (socket: Duplex): boolean => newest.get(socket)?.closed === false
  /** Sockets whose unreadable bytes were seen to: Node reports every further piece of them. */
  const ended = new WeakSet<Duplex>()
  // Past Node's own count it would drop fields and go on; `accept` counts them instead.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.maxRequestsPerSocket = limits.requestsPerConnection
  server.setTimeout(limits.bodyIdleMs, socket => {
    if (!isAwaitingUpstream(socket, newest.get(socket))) socket.destroy()
  })
  const onRequest = (received: IncomingMessage, response: ServerResponse): void => {
    const { socket } = received
    if (isAnswering(socket)) closeWithSocket(response, socket)
    newest.set(socket, response)
    front.onRequest({ received, response })
  }
  const onDetached = (received: IncomingMessage, duplex: Duplex, head?: Buffer): void => {
    const socket = duplex as Socket
    detached.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => detached.delete(socket))
    if (isAnswering(socket)) {
      const reason = refusal(
        'request.malformed',
        `${received.method} behind a request that is not answered yet`,
      )
      front.onUnreadable(socket, reason, false)
      return
    }
    const response = responseFor(received, socket)
    if (head === undefined) front.onRequest({ received, response })
    else front.onRequest({ received, response, tunnel: { received, response, socket, head } })
  }
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', onRequest)
  server.on('upgrade', onDetached)
  server.on('connect', (received: IncomingMessage, duplex: Duplex) => onDetached(received, duplex))
  server.on('clientError', (error: NodeJS.ErrnoException, duplex: Duplex) => {
    if (ended.has(duplex)) return
    ended.add(duplex)
    const socket = duplex as Socket
    const reason = unreadable(error.code)
    // Inside a body they belong to a request, which has an event of its own.
    const isInBody = newest.get(socket)?.req.complete === false
    if (reason === undefined || isInBody) socket.destroy()
    else front.onUnreadable(socket, reason, socket.writable && !isAnswering(socket))
  })
  return server
}

/**
 * The idle limit is for bodies. Who has sent a whole request and been told nothing yet waits for the upstream, and how
 * long that may take is a limit of its own.
 */
function isAwaitingUpstream(socket: Socket, response: ServerResponse | undefined): boolean {
  if (response === undefined || response.closed || socket.writableLength > 0) return false
  return response.req.complete && !response.headersSent
}

/**
 * A response that waits for its turn has no socket yet. When Node lets go of the socket meanwhile, it forgets the
 * response, which would never hear that its turn does not come.
 */
function closeWithSocket(response: ServerResponse, socket: Socket): void {
  const onClose = (): void => {
    if (response.closed) return
    response.destroy()
    response.emit('close')
  }
  socket.setMaxListeners(0)
  socket.once('close', onClose)
  response.once('close', () => socket.removeListener('close', onClose))
}

/** Node hands over the bare socket of an upgrade; refusing it takes a response. */
function responseFor(received: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(received)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  // Node has taken away its own listener, without which a stalled response never goes on.
  socket.on('drain', () => response.emit('drain'))
  // The caller may keep its half open for ever; nothing of it is read any more.
  response.once('finish', () => socket.destroySoon())
  return response
}

function unreadable(code: string | undefined): Refusal | undefined {
  if (code === 'ECONNRESET' || code === 'EPIPE') return undefined
  if (code === 'HPE_HEADER_OVERFLOW') return refusal('request.header_too_large', code)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refusal('request.timeout', code)
  return refusal('request.malformed', code ?? 'unreadable')
}
