import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Front, FrontLimits } from '../front.ts'
import type { CallerStream } from './caller-stream.ts'
import { type ConnectionOwner, Http2Connection } from './http2-connection.ts'

/** Speaks HTTP/2 on sockets that somebody else accepted: by prior knowledge, or by ALPN with TLS. */
export interface Http2Front {
  /** Takes over a connected socket, on which the client's connection preface comes next. */
  take(socket: Socket): void
  /** Connections that are open. */
  readonly sessions: number
  /** Takes no new request, lets those under way end, and resolves when every connection is closed. */
  drain(): Promise<void>
  /** Breaks off what is left. */
  destroy(): void
}

const sweepMs = { shortest: 5, longest: 1_000 }

/**
 * What a caller may send before it is read. One stream moves twice as fast with it as with the 64 KiB that HTTP/2 begins
 * with (300 and 150 MB/s on loopback), and four times as much makes no difference.
 */
const window = { streamBytes: 256 * 1024, connectionBytes: 1024 * 1024 }

/** Streams that a caller may give up: at once, and in a second from then on. */
const resets = { burst: 500, perSecond: 100 }

/** Fields over the limit that are still read, so that the caller is told 431 and the request has its event. */
const fieldsOver = 32

/** A front for HTTP/2 connections, with the limits of the data port. */
export function createHttp2Front(limits: FrontLimits, front: Front): Http2Front {
  /** Made for the first connection: many sidecars have none, and loading HTTP/2 takes a part of the start. */
  let server: Http2Server | undefined
  const connections = new Set<Http2Connection>()
  const shortestMs = Math.min(limits.bodyIdleMs, limits.keepAliveMs, limits.headersMs)
  const everyMs = Math.max(sweepMs.shortest, Math.min(sweepMs.longest, shortestMs / 4))
  let sweeper: NodeJS.Timeout | undefined
  let draining: PromiseWithResolvers<void> | undefined
  let arrived: CallerStream[] = []

  const startArrived = (): void => {
    const streams = arrived
    arrived = []
    for (const stream of streams) front.onRequest(stream)
  }
  const sweep = (): void => {
    const nowMs = performance.now()
    for (const connection of connections) connection.check(nowMs)
  }
  const owner: ConnectionOwner = {
    // Requests begin when everything that arrived with them was read: one that is given up in the same breath (rapid
    // reset, CVE-2023-44487) is known to be gone by then, and costs neither an exchange nor a call to upstream.
    onStream(stream) {
      if (arrived.push(stream) === 1) setImmediate(startArrived)
    },
    onUnreadable: (socket, reason) => front.onUnreadable(socket, reason, false),
    onClosed(connection) {
      connections.delete(connection)
      if (connections.size > 0) return
      clearInterval(sweeper)
      sweeper = undefined
      draining?.resolve()
    },
  }

  return {
    take(socket) {
      if (socket.destroyed) return
      // Asked once while it is connected, it is remembered for the record.
      void socket.remoteAddress
      server ??= createNodeServer(limits)
      server.once('session', (session: ServerHttp2Session) => {
        session.setLocalWindowSize(window.connectionBytes)
        const connection = new Http2Connection(session, socket, limits, owner)
        connections.add(connection)
        sweeper ??= setInterval(sweep, everyMs).unref()
        if (draining !== undefined) connection.close()
      })
      server.emit('connection', socket)
    },
    get sessions() {
      return connections.size
    },
    drain() {
      draining ??= Promise.withResolvers()
      for (const connection of connections) connection.close()
      if (connections.size === 0) draining.resolve()
      return draining.promise
    },
    destroy() {
      for (const connection of connections) connection.destroy()
    },
  }
}

function createNodeServer(limits: FrontLimits): Http2Server {
  return createServer({
    settings: {
      maxConcurrentStreams: limits.streamsPerConnection,
      // Twice the limit, so that what is a little over it is told 431. What is over both is reset.
      maxHeaderListSize: 2 * limits.headerBytes,
      initialWindowSize: window.streamBytes,
      enableConnectProtocol: false,
    },
    maxHeaderListPairs: limits.headerCount + fieldsOver,
    streamResetBurst: resets.burst,
    streamResetRate: resets.perSecond,
    // Blanks around a value are refused here; Node would drop the field and go on.
    strictFieldWhitespaceValidation: false,
    // What an upstream repeats is passed on as it is.
    strictSingleValueFields: false,
  })
}
