import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { FrontLimits } from '../front.ts'
import { CallerStream } from './caller-stream.ts'
import { readRequestHead } from './request-head.ts'

/** What a connection reports. */
export interface ConnectionOwner {
  onStream(stream: CallerStream): void
  /** Something on it was no request. Called at most once, when the connection is closed. */
  onUnreadable(socket: Socket, reason: Refusal): void
  onClosed(connection: Http2Connection): void
}

/** How long a peer may take to read what is left and go, when everything was said; the idle limit of bodies holds, too. */
const partingMs = 10_000

/** One connection on which HTTP/2 is spoken. */
export class Http2Connection {
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  readonly #limits: FrontLimits
  readonly #owner: ConnectionOwner
  readonly #streams = new Set<CallerStream>()
  #requests = 0
  /** Since when there is no request on it; before the first one, since it was opened. */
  #idleMs: number
  #hasOpened = false
  #lastStreamId = -1
  /** Requests that Node refused by itself, without a word to anybody but the caller. */
  #unseen = 0
  #error: Refusal | undefined

  constructor(session: ServerHttp2Session, socket: Socket, limits: FrontLimits, owner: ConnectionOwner) {
    this.#session = session
    this.#socket = socket
    this.#limits = limits
    this.#owner = owner
    this.#idleMs = performance.now()
    session.once('remoteSettings', () => {
      this.#hasOpened = true
      this.#idleMs = performance.now()
    })
    session.on('stream', this.#onStream)
    session.on('goaway', () => this.#countUnseen())
    session.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = unreadable(error)
    })
    session.once('close', this.#onClosed)
    // The server lets its sockets be half open; a peer that sends no more frames has gone, and all its requests with it.
    socket.once('end', () => this.destroy())
    // Before Node's own listener, which lets go of what there is to count.
    socket.prependOnceListener('close', () => this.#countUnseen())
  }

  /** Lets requests under way end, takes no other (GOAWAY), and closes. */
  close(): void {
    if (this.#session.closed) return
    this.#countUnseen()
    this.#idleMs = performance.now()
    this.#session.close()
  }

  /** Breaks off what is left. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Looks for what takes too long. */
  check(nowMs: number): void {
    for (const stream of this.#streams) stream.check(nowMs, this.#limits.bodyIdleMs)
    if (this.#streams.size > 0) return
    const idleMs = nowMs - this.#idleMs
    if (this.#session.closed) {
      if (idleMs >= Math.min(partingMs, this.#limits.bodyIdleMs)) this.destroy()
    } else if (!this.#hasOpened) {
      if (idleMs >= this.#limits.headersMs) this.destroy()
    } else if (idleMs >= this.#limits.keepAliveMs) {
      this.close()
    }
  }

  readonly #onStream = (
    stream: ServerHttp2Stream,
    _headers: IncomingHttpHeaders,
    _flags: number,
    raw: readonly string[],
  ): void => {
    const head = readRequestHead(raw, this.#limits.headerBytes)
    const caller = new CallerStream(stream, head, this.#socket, performance.now())
    this.#noteStream(stream.id ?? 0)
    this.#streams.add(caller)
    stream.once('close', () => {
      this.#streams.delete(caller)
      if (this.#streams.size === 0) this.#idleMs = performance.now()
    })
    this.#requests += 1
    if (this.#requests >= this.#limits.requestsPerConnection) this.close()
    this.#owner.onStream(caller)
  }

  /** Clients number their streams one by one (RFC 9113 §5.1.1): a gap is a request that never got here. */
  #noteStream(id: number): void {
    this.#unseen += Math.max(0, (id - this.#lastStreamId) / 2 - 1)
    this.#lastStreamId = id
  }

  #countUnseen(): void {
    if (this.#session.closed || this.#session.destroyed) return
    const last = this.#session.state.lastProcStreamID ?? 0
    if (last > 0 && last > this.#lastStreamId) this.#noteStream(last + 2)
  }

  readonly #onClosed = (): void => {
    const reason =
      this.#error ??
      (this.#unseen > 0
        ? refusal('request.malformed', `${this.#unseen} streams refused before they were read`)
        : undefined)
    if (reason !== undefined) this.#owner.onUnreadable(this.#socket, reason)
    // Settings that were never acknowledged hold the session, and the session its listeners; if these led on to the socket,
    // whose own listeners lead back to the settings, none of them would ever be freed.
    this.#session.removeAllListeners()
    this.#owner.onClosed(this)
  }
}

/** @returns undefined where it is no more than a peer that went away */
function unreadable(error: NodeJS.ErrnoException): Refusal | undefined {
  if (error.syscall !== undefined || error.code === 'ERR_HTTP2_SESSION_ERROR') return undefined
  // The library's own words, which tell more than the one code that they share.
  const detail = error.code === 'ERR_HTTP2_ERROR' ? error.message : error.code
  return refusal('request.malformed', detail ?? 'unreadable')
}
