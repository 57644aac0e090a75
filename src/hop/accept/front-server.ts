import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type Socket, Server as TcpServer } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { listen } from '../../base/listen.ts'
import { CallerConnections } from './caller-connections.ts'
import type { Front, FrontLimits } from './front.ts'
import { serveHttp1, takesUpgrade } from './http1-front.ts'
import type { Http2Front } from './http2/http2-front.ts'
import { readProtocol } from './protocol-preface.ts'

export interface FrontOptions {
  readonly limits: FrontLimits
  /** undefined listens without TLS. */
  readonly tls?: TlsOptions | undefined
  /** undefined speaks HTTP/1.1 only. */
  readonly http2?: Http2Front | undefined
  /** Whether a caller that completed the handshake may stay; its certificate's chain was verified by then. */
  readonly isPermittedPeer?: ((socket: TLSSocket) => boolean) | undefined
}

/** The server of the data port. */
export interface FrontServer {
  /** @throws the system's error when the address is taken, not allowed or not this machine's */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ host: string; port: number }>
  /** Takes another certificate for connections from now on; those that are open go on. */
  useTls(context: TlsOptions): void
  /**
   * Takes no new connection, lets requests under way end, and closes connections when no more requests come on them;
   * after `graceMs` breaks off what is left.
   */
  drain(graceMs: number): Promise<void>
}

/** Makes the server of the data port, not yet listening: HTTP/1.1, and HTTP/2 on the same port. */
export function createFrontServer(options: FrontOptions, front: Front): FrontServer {
  const { limits, tls, http2, isPermittedPeer } = options
  const connections = new CallerConnections(limits)
  const server = createNodeServer(limits, tls, http2 !== undefined)
  const arrival = tls === undefined ? 'connection' : 'secureConnection'
  const [takeHttp1] = server.listeners(arrival) as ((socket: Socket) => void)[]
  if (takeHttp1 === undefined) throw new Error('the server does not listen to its own connections')
  server.removeAllListeners(arrival)
  if (tls !== undefined) server.on('connection', (socket: Socket) => connections.wrap(socket))
  server.on(arrival, (socket: Socket) => {
    if (isPermittedPeer?.(socket as TLSSocket) === false) {
      socket.destroy()
      return
    }
    connections.add(socket)
    const take = (protocol: 'http1' | 'http2'): void => {
      if (protocol === 'http1' || http2 === undefined) {
        connections.served(socket)
        takeHttp1.call(server, socket)
      } else {
        connections.forget(socket)
        http2.take(socket)
      }
    }
    if (tls !== undefined) take((socket as TLSSocket).alpnProtocol === 'h2' ? 'http2' : 'http1')
    else if (http2 === undefined) take('http1')
    else readProtocol(socket, take)
  })
  serveHttp1(server, front, connections)

  return {
    listen: address => listen(server, address),
    useTls(context) {
      if ('setSecureContext' in server && typeof server.setSecureContext === 'function') {
        server.setSecureContext(context)
      }
    },
    async drain(graceMs) {
      const closed = new Promise<void>(resolve => {
        // Not the close of node:http, which closes idle connections at once: a request may be on its way on one.
        TcpServer.prototype.close.call(server, () => resolve())
      })
      connections.drain()
      const grace = setTimeout(() => {
        connections.destroy()
        http2?.destroy()
      }, graceMs)
      await Promise.all([closed, http2?.drain()])
      clearTimeout(grace)
      // Tunnels count as closed before they say so themselves, and with that their events are written.
      await connections.close()
      server.close()
    },
  }
}

function createNodeServer(limits: FrontLimits, tls: TlsOptions | undefined, speaksHttp2: boolean): Server {
  const options: ServerOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    // Bodies may take as long as they move: an idle socket is what ends, and the sweep over connections finds it.
    requestTimeout: 0,
    keepAliveTimeout: 0,
    connectionsCheckingInterval: Math.min(1_000, limits.headersMs),
    requireHostHeader: false,
    insecureHTTPParser: false,
    noDelay: true,
    // A request whose fields announce no body has no stream that would have to end, and nobody reads one: `accept` goes by
    // the same two fields.
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: takesUpgrade,
  }
  const server =
    tls === undefined
      ? createServer(options)
      : createTlsServer({
          ...options,
          ...tls,
          handshakeTimeout: limits.headersMs,
          ALPNProtocols: speaksHttp2 ? ['h2', 'http/1.1'] : ['http/1.1'],
        })
  // Past Node's own count it would drop fields and go on; `accept` counts them instead.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.maxRequestsPerSocket = limits.requestsPerConnection
  server.timeout = 0
  return server
}
