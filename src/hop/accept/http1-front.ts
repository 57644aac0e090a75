import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { HeaderFlaw } from '../../base/http-caller.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { breakOff, type CallerConnections } from './caller-connections.ts'
import type { Front } from './front.ts'
import { boundUnreadBody } from './unread-body.ts'

/** Node's parser also reads a request line that says HTTP/0.9 or HTTP/2.0, and then frames the message by guessing. */
const unknownVersion: HeaderFlaw = { kind: 'malformed', detail: 'a version other than HTTP/1.0 and HTTP/1.1' }

/**
 * Hands the requests of a server on. Node's parser refuses most ambiguous framing by itself (two lengths, folded fields,
 * bare line feeds); what it lets through, `accept` looks at.
 */
export function serveHttp1(server: Server, front: Front, connections: CallerConnections): void {
  /** Sockets whose unreadable bytes were seen to: Node reports every further piece of them. */
  const ended = new WeakSet<Duplex>()
  const onRequest = (received: IncomingMessage, response: ServerResponse): void => {
    const { socket } = received
    // The answer before says that the connection ends with it: nothing behind is a request any more (RFC 9112 §9.6).
    if (connections.newest(socket)?.shouldKeepAlive === false) return
    if (connections.answering(socket, response) !== undefined) closeWithSocket(response, socket)
    if (connections.isDraining || withIgnoredUpgrade.has(received)) response.shouldKeepAlive = false
    response.on('finish', boundUnreadBody)
    if (received.httpVersionMajor !== 1) Object.assign(received, { flaw: unknownVersion })
    if (received.httpVersion === '1.0') breakOffWithReset(response, socket)
    front.onRequest({ received, response })
  }
  const onDetached = (received: IncomingMessage, duplex: Duplex, head?: Buffer): void => {
    const { socket } = received
    duplex.on('error', () => socket.destroy())
    // With a body that is still to come Node hands over no socket but a stream in front of it, and parses on behind it.
    if (duplex !== socket) ended.add(socket)
    const isAnswering = connections.newest(socket)?.closed === false
    connections.detach(socket)
    if (isAnswering) {
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
    const newest = connections.newest(socket)
    // Inside a body they belong to a request, which has an event of its own.
    const isInBody = newest?.req.complete === false
    if (reason === undefined || isInBody) socket.destroy()
    else front.onUnreadable(socket, reason, socket.writable && newest?.closed !== false)
  })
}

/** Node's parser drops what came in one packet behind such a request: nothing more is to be expected behind its answer. */
const withIgnoredUpgrade = new WeakSet<IncomingMessage>()

/** Whether a message may ask for another protocol. HTTP/1.0 knows no Upgrade, and any other protocol is ignored (RFC 9110 §7.8). */
export function takesUpgrade(received: IncomingMessage): boolean {
  if (received.httpVersion === '1.1' && received.headers.upgrade?.toLowerCase() === 'websocket') return true
  withIgnoredUpgrade.add(received)
  return false
}

/** HTTP/1.0 may have no other sign of the end of an answer than the end of the connection. */
function breakOffWithReset(response: ServerResponse, socket: Socket): void {
  const { destroy } = response
  response.destroy = error => {
    if (response.socket !== null) breakOff(socket, response)
    return destroy.call(response, error)
  }
}

/**
 * A response that waits for its turn has no socket yet. When Node lets go of the socket meanwhile, it forgets the
 * response, which would never hear that its turn does not come. When the response is broken off meanwhile, Node would
 * send what there is of it when its turn comes, and then wait for the rest for ever.
 */
function closeWithSocket(response: ServerResponse, socket: Socket): void {
  const onClose = (): void => {
    if (response.closed) return
    response.destroy()
    response.emit('close')
  }
  socket.setMaxListeners(0)
  socket.once('close', onClose)
  response.once('close', () => {
    socket.removeListener('close', onClose)
    if (!response.writableFinished) response.once('socket', its => its.destroy())
  })
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
