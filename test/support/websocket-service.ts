import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { type ClientOptions, type RawData, type ServerOptions, WebSocket, WebSocketServer } from 'ws'

/** Why an end of a WebSocket was closed, as its library tells. */
export interface Closing {
  readonly code: number
  readonly reason: string
}

/** One end of a WebSocket, and everything that came there. */
export interface WebSocketEnd {
  readonly socket: WebSocket
  readonly messages: readonly { readonly data: Buffer; readonly isBinary: boolean }[]
  /** Frames that are none, and the like. */
  readonly errors: readonly Error[]
  readonly closed: Promise<Closing>
}

/** A service that speaks WebSocket by a library of its own. */
export interface WebSocketService {
  readonly url: string
  /** The connections, in the order of arrival, with the handshake of each. */
  readonly ends: readonly (WebSocketEnd & { readonly request: IncomingMessage })[]
  close(): Promise<void>
}

export interface WebSocketServiceOptions extends ServerOptions {
  readonly tls?: TlsOptions
}

/** Starts a service on a free port of loopback. It says nothing by itself, and answers other requests with 200. */
export async function startWebSocketService(
  options: WebSocketServiceOptions = {},
): Promise<WebSocketService> {
  const { tls, ...ws } = options
  const ends: (WebSocketEnd & { readonly request: IncomingMessage })[] = []
  const answerPlain: RequestListener = (_request, response) => response.end('no handshake')
  const server = tls === undefined ? createServer(answerPlain) : createTlsServer(tls, answerPlain)
  const sockets = new WebSocketServer({ server, ...ws })
  sockets.on('connection', (socket, request) => ends.push({ ...watchEnd(socket), request }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    ends,
    close: () =>
      new Promise(resolve => {
        for (const { socket } of ends) socket.terminate()
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** What came instead of an open connection: the status of the answer, or the error's message. */
export class NotOpened extends Error {
  readonly status: number | undefined

  constructor(status: number | undefined, message: string) {
    super(message)
    this.status = status
  }
}

/** Opens a WebSocket. Rejects with {@link NotOpened}. */
export async function openWebSocket(
  url: string,
  token: string | undefined,
  { protocols = [], ...options }: ClientOptions & { readonly protocols?: string[] } = {},
): Promise<WebSocketEnd> {
  const headers = { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...options.headers }
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, { ...options, headers })
  const end = watchEnd(socket)
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('unexpected-response', (request, response) => {
      request.destroy()
      reject(new NotOpened(response.statusCode, `the answer was ${response.statusCode}`))
    })
    socket.once('error', error => reject(new NotOpened(undefined, error.message)))
  })
  return end
}

function watchEnd(socket: WebSocket): WebSocketEnd {
  const messages: { data: Buffer; isBinary: boolean }[] = []
  const errors: Error[] = []
  socket.on('message', (data: RawData, isBinary) => messages.push({ data: data as Buffer, isBinary }))
  socket.on('error', error => errors.push(error))
  const closed = new Promise<Closing>(resolve => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
  return { socket, messages, errors, closed }
}
