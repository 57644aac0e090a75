import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FrontLimits } from './front.ts'

/** What is known of an open connection. */
interface Connection {
  readonly socket: Socket
  /** Whether the server reads requests on it; before, nobody knows what it speaks. */
  isServed: boolean
  /** The newest response. Answers leave in order: when it is closed, so are those before it. */
  newest: ServerResponse | undefined
  /** Bytes in both directions when it was looked at last, and when they were more than before. */
  bytes: number
  movedMs: number
}

/** While draining, a connection that has said nothing for so long is closed: no request is on its way any more. */
const drainIdleMs = 1_000
const sweepMs = { shortest: 5, longest: 1_000, draining: 50 }

/**
 * The connections of callers that speak HTTP/1.1, or have not said yet what they speak. One sweep finds those that are
 * idle, by the bytes that the system counts: no request pays for a timer.
 */
export class CallerConnections {
  readonly #limits: FrontLimits
  readonly #connections = new Map<Socket, Connection>()
  /** Sockets that became tunnels. Whoever opened them looks after their idle time. */
  readonly #detached = new Set<Socket>()
  /** Sockets below TLS. The server looks after the time that a handshake takes. */
  readonly #wrapped = new Set<Socket>()
  readonly #sweepMs: number
  #sweeper: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #drainingSinceMs = Infinity

  constructor(limits: FrontLimits) {
    this.#limits = limits
    const shortest = Math.min(limits.bodyIdleMs, limits.keepAliveMs, limits.headersMs)
    this.#sweepMs = Math.max(sweepMs.shortest, Math.min(sweepMs.longest, shortest / 4))
  }

  /** Whether responses should say that their connection ends with them. */
  get isDraining(): boolean {
    return this.#drainingSinceMs !== Infinity
  }

  /** Notes a socket on which TLS is to be spoken, so that a handshake under way can be broken off. */
  wrap(socket: Socket): void {
    this.#wrapped.add(socket)
    socket.once('close', () => this.#wrapped.delete(socket))
  }

  /** Looks after a connection until it closes. */
  add(socket: Socket): void {
    const movedMs = performance.now()
    this.#connections.set(socket, {
      socket,
      isServed: false,
      newest: undefined,
      bytes: 0,
      movedMs,
    })
    socket.once('close', () => this.#connections.delete(socket))
    this.#sweeper ??= setInterval(this.#sweepSoon, this.#sweepMs).unref()
  }

  /** Notes that it speaks HTTP/1.1. How long it may take to send a request is then looked after by the server. */
  served(socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection !== undefined) connection.isServed = true
  }

  /** Looks no more after one that speaks something else. */
  forget(socket: Socket): void {
    this.#connections.delete(socket)
  }

  /** Notes that Node let go of a socket: it is no HTTP connection any more. */
  detach(socket: Socket): void {
    this.#connections.delete(socket)
    this.#detached.add(socket)
    socket.once('close', () => this.#detached.delete(socket))
  }

  /** Notes a response that began. @returns the one before it, when that is still under way */
  answering(socket: Socket, response: ServerResponse): ServerResponse | undefined {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return undefined
    const before = connection.newest
    connection.newest = response
    return before?.closed === false ? before : undefined
  }

  /** The newest response of a connection, answered or not. */
  newest(socket: Socket): ServerResponse | undefined {
    return this.#connections.get(socket)?.newest
  }

  /** From now on connections are closed as they become idle. */
  drain(): void {
    this.#drainingSinceMs = performance.now()
    clearInterval(this.#sweeper)
    this.#sweeper = setInterval(this.#sweepSoon, Math.min(this.#sweepMs, sweepMs.draining)).unref()
  }

  /** Breaks off what is left. */
  destroy(): void {
    for (const { socket, newest } of this.#connections.values()) breakOff(socket, newest)
    for (const socket of [...this.#detached, ...this.#wrapped]) socket.destroy()
  }

  /** Stops looking. To be called when all are closed. Waits for tunnels to say that they are. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    clearImmediate(this.#soon)
    await Promise.all(
      [...this.#detached].map(socket => new Promise(resolve => socket.once('close', resolve))),
    )
  }

  /** When the event loop was late, what came meanwhile is read before anybody counts as idle. */
  readonly #sweepSoon = (): void => {
    this.#soon = setImmediate(() => this.#sweep())
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const connection of this.#connections.values()) {
      const { socket } = connection
      const bytes = socket.bytesRead + socket.bytesWritten
      // Who has not said yet what they speak gets no more time for saying it slowly.
      if (bytes !== connection.bytes && connection.isServed) {
        connection.bytes = bytes
        connection.movedMs = nowMs
      }
      if (nowMs - connection.movedMs >= this.#limitMs(connection, nowMs)) breakOff(socket, connection.newest)
    }
  }

  #limitMs({ socket, isServed, newest, movedMs }: Connection, nowMs: number): number {
    const { headersMs, keepAliveMs, bodyIdleMs } = this.#limits
    if (newest !== undefined && !newest.closed) {
      return isAwaitingUpstream(socket, newest) ? Infinity : bodyIdleMs
    }
    const isLate = nowMs - Math.max(this.#drainingSinceMs, movedMs) >= drainIdleMs
    if (this.isDraining && isLate) return 0
    if (!isServed) return headersMs
    return newest === undefined ? headersMs + keepAliveMs : keepAliveMs
  }
}

/**
 * Ends a connection. One with an answer under way is reset: an end could be taken for the end of the answer, and the
 * system would go on trying to send what the caller does not take.
 */
export function breakOff(socket: Socket, newest: ServerResponse | undefined): void {
  const isAnswering = newest?.headersSent === true && !newest.writableFinished
  // TLS has a way of its own to say that nothing was cut off.
  if (isAnswering && !('encrypted' in socket) && !socket.writableEnded) socket.resetAndDestroy()
  else socket.destroy()
}

/**
 * The idle limit is for bodies. Who has sent a whole request and been told nothing yet waits for the upstream, and how
 * long that may take is a limit of its own.
 */
function isAwaitingUpstream(socket: Socket, response: ServerResponse): boolean {
  return response.req.complete && !response.headersSent && socket.writableLength === 0
}
