import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { Connect } from '../connect.ts'
import { maxHeaderListBytes } from './response-fields.ts'
import { SessionHealth } from './session-health.ts'
import { errorName, sessionFailure, streamFailure } from './stream-failure.ts'

/** Longest header section of a request that Node sends. What is longer is refused before. */
const maxRequestHeaderBytes = 256 * 1_024
/** What upstream may send of one response before somebody reads it. */
const streamWindowBytes = 256 * 1_024
/** The same for all responses of a connection together; Node gives it back as it is received. */
const sessionWindowBytes = 4 * 1_024 * 1_024

const protocol = {
  settings: {
    enablePush: false,
    initialWindowSize: streamWindowBytes,
    maxHeaderListSize: maxHeaderListBytes,
  },
  // The size of a header section is bounded, and a field counts 32 bytes at least.
  maxHeaderListPairs: maxHeaderListBytes / 32,
  maxSendHeaderBlockLength: maxRequestHeaderBytes,
  // A field that should not be repeated is upstream's to refuse, as with HTTP/1.1.
  strictSingleValueFields: false,
}

export interface SessionOptions {
  readonly connect: Connect
  readonly origin: URL
  readonly connectTimeoutMs: number
  /** Streams on one connection at the same time, at most; upstream may allow fewer. */
  readonly streamsPerSession: number
  /** Streams on one connection in its life: their numbers are not used again (RFC 9113 §5.1.1). */
  readonly requestsPerSession: number
  /** A connection without streams is closed after this time. */
  readonly idleMs: number
  /** A connection on which streams hear nothing for this time is asked whether it is still there. */
  readonly pingAfterMs: number
  readonly pingTimeoutMs: number
}

/** How the body of a request is sent. */
export interface StreamBody {
  /** Cancels the request. */
  readonly signal: AbortSignal
  /** Whether Node asks for trailers (`wantTrailers`) when the body has ended. */
  readonly waitForTrailers: boolean
}

/** What a session tells the client that it belongs to. */
export interface SessionOwner {
  /** The time of the last sweep. */
  readonly nowMs: number
  /** It may take requests, or more of them. */
  onCapacity(session: Http2Session): void
  /** It could not be opened, and nothing was sent on it. */
  onNotOpened(session: Http2Session, reason: Refusal): void
  /** It is gone. */
  onClosed(session: Http2Session): void
}

/**
 * One HTTP/2 connection to upstream. It takes requests when upstream's SETTINGS are there: only then it is certain that
 * it speaks HTTP/2, and how many streams it takes.
 */
export class Http2Session {
  readonly #owner: SessionOwner
  readonly #options: SessionOptions
  readonly #socket: Socket
  readonly #health: SessionHealth
  readonly #openTimer: NodeJS.Timeout
  #session: ClientHttp2Session | undefined
  #state: 'opening' | 'open' | 'draining' | 'closed' = 'opening'
  #streams = 0
  /** Streams that nobody waits for any more, and since when. They are closed as soon as upstream can be told. */
  readonly #abandoned = new Map<ClientHttp2Stream, number>()
  #requests = 0
  #maxStreams = 0
  #acceptedHeaderBytes = Infinity
  #error: Error | undefined
  #reason: Refusal | undefined
  /** The last stream that upstream may have processed, once it has said so (RFC 9113 §6.8). */
  #lastStreamId = Infinity
  #idleSinceMs: number

  constructor(owner: SessionOwner, options: SessionOptions) {
    this.#owner = owner
    this.#options = options
    this.#health = new SessionHealth(options, owner.nowMs)
    this.#idleSinceMs = owner.nowMs
    const { socket, readyEvent } = options.connect()
    this.#socket = socket
    this.#openTimer = setTimeout(
      () => this.#end(refusal('upstream.timeout', 'no connection')),
      options.connectTimeoutMs,
    )
    socket.once(readyEvent, this.#onConnected)
    socket.on('error', this.#onError)
    socket.once('close', this.#onSocketClose)
  }

  get isOpening(): boolean {
    return this.#state === 'opening'
  }

  /** Whether it takes requests, perhaps not at once. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get scheme(): 'http' | 'https' {
    return this.#options.origin.protocol === 'https:' ? 'https' : 'http'
  }

  /** Whether the connection is gone, or going with all that is on it. */
  get isLost(): boolean {
    return this.#state === 'closed' || this.#socket.destroyed || this.#session?.destroyed === true
  }

  /** The longest header section that upstream takes, as it says. */
  get acceptedHeaderBytes(): number {
    return this.#acceptedHeaderBytes
  }

  /** Streams that upstream lets be open at the same time. */
  get maxStreams(): number {
    return this.#maxStreams
  }

  /** Whether it can take a request now. */
  get hasCapacity(): boolean {
    if (this.#state !== 'open' || this.#streams >= this.#maxStreams) return false
    const session = this.#session
    return session !== undefined && !session.closed && !session.destroyed
  }

  /**
   * Opens a stream and sends a header section on it. To be called when it has capacity; {@link release} is to be
   * called when the stream is gone.
   *
   * @param body undefined when there is none
   */
  request(fields: readonly string[], body: StreamBody | undefined): ClientHttp2Stream {
    const session = this.#session as ClientHttp2Session
    const stream = session.request(
      fields,
      body === undefined ? { endStream: true } : { endStream: false, ...body },
    )
    this.#streams += 1
    this.#requests += 1
    if (this.#requests >= this.#options.requestsPerSession) this.#state = 'draining'
    return stream
  }

  /** Something of a response arrived. */
  heard(): void {
    this.#health.heard(this.#owner.nowMs)
  }

  /** Whether a stream was never sent, or upstream has said that it did not process it (RFC 9113 §8.7). */
  isUnprocessed({ id, rstCode }: ClientHttp2Stream): boolean {
    // When the whole connection goes, Node gives every stream the code of the connection.
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM && !this.isLost) return true
    return id === undefined || id > this.#lastStreamId
  }

  /** What became of a stream that did not end well. */
  failure({ rstCode }: ClientHttp2Stream, error: Error | undefined): Refusal {
    if (!this.isLost) return streamFailure(rstCode)
    return this.#reason ?? sessionFailure(error ?? this.#error)
  }

  /** Nobody waits for a stream any more. */
  abandon(stream: ClientHttp2Stream): void {
    this.#abandoned.set(stream, this.#owner.nowMs)
  }

  /** A stream is gone. */
  release(stream: ClientHttp2Stream): void {
    this.#streams -= 1
    this.#abandoned.delete(stream)
    this.#idleSinceMs = this.#owner.nowMs
    if (this.#streams === 0 && this.#state === 'draining') this.#session?.close()
    else if (this.hasCapacity) this.#owner.onCapacity(this)
  }

  /** Takes no more requests, and closes when those under way have ended. */
  drain(): void {
    if (this.#state === 'closed') return
    if (this.#state === 'opening') {
      this.#end(refusal('upstream.unreachable', 'not needed any more'))
      return
    }
    this.#state = 'draining'
    this.#idleSinceMs = this.#owner.nowMs
    if (this.#streams === 0) this.#session?.close()
  }

  /** Looks whether it is idle for too long, or dead. */
  check(nowMs: number): void {
    if (this.#state === 'opening') return
    this.#checkAbandoned(nowMs)
    const restedMs = nowMs - this.#idleSinceMs
    if (this.#streams === 0) {
      if (this.#state !== 'open') {
        // Nobody takes the farewell.
        if (restedMs >= this.#options.connectTimeoutMs) this.#socket.destroy()
      } else if (restedMs >= this.#options.idleMs) this.drain()
    } else {
      const next = this.#health.check(nowMs)
      if (next === 'ping') this.#ping()
      else if (next === 'dead') this.#end(refusal('upstream.unreachable', 'no answer to a ping'))
    }
  }

  /** Upstream cannot be told, or not be asked, because it takes nothing: there is no use in it any more. */
  #checkAbandoned(nowMs: number): void {
    const [sinceMs] = this.#abandoned.values()
    if (sinceMs === undefined || nowMs - sinceMs < this.#options.connectTimeoutMs) return
    if (this.#abandoned.size === this.#streams) this.#end(refusal('upstream.unreachable', 'nothing is taken'))
    else this.drain()
  }

  #ping(): void {
    this.#session?.ping(error => {
      if (error === null) this.#health.answered(this.#owner.nowMs)
    })
  }

  readonly #onConnected = (): void => {
    const socket = this.#socket
    if (socket.destroyed) return
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
      this.#end(refusal('upstream.unreachable', 'no HTTP/2 by ALPN'))
      return
    }
    const session = connect(this.#options.origin, { ...protocol, createConnection: () => socket })
    this.#session = session
    session.on('connect', () => session.setLocalWindowSize(sessionWindowBytes))
    session.on('remoteSettings', this.#onSettings)
    session.on('goaway', this.#onGoaway)
    session.on('error', this.#onError)
    session.once('close', () => {
      // Node may keep a session whose settings were not acknowledged, and whatever it refers to.
      session.removeAllListeners()
      session.on('error', () => {})
      this.#onClose()
    })
  }

  readonly #onSettings = (): void => {
    if (this.#state === 'closed') return
    const { maxConcurrentStreams = Infinity, maxHeaderListSize = Infinity } =
      this.#session?.remoteSettings ?? {}
    this.#maxStreams = Math.min(maxConcurrentStreams, this.#options.streamsPerSession)
    this.#acceptedHeaderBytes = maxHeaderListSize
    if (this.#state === 'opening') {
      clearTimeout(this.#openTimer)
      this.#state = 'open'
      this.#idleSinceMs = this.#owner.nowMs
      this.#health.heard(this.#owner.nowMs)
    }
    if (this.hasCapacity) this.#owner.onCapacity(this)
  }

  /** With a code Node breaks the connection off after this; without one the streams that were accepted go on. */
  readonly #onGoaway = (code: number, lastStreamId: number): void => {
    this.#lastStreamId = Math.min(this.#lastStreamId, lastStreamId)
    if (this.#state === 'opening') {
      this.#end(refusal('upstream.unreachable', `a GOAWAY with ${errorName(code)}`))
    } else if (code !== constants.NGHTTP2_NO_ERROR) {
      this.#reason ??= refusal('upstream.unreachable', `a GOAWAY with ${errorName(code)}`)
      this.#state = 'closed'
    } else if (this.#state === 'open') {
      this.#state = 'draining'
    }
  }

  readonly #onError = (error: Error): void => {
    this.#error ??= error
    if (this.#session === undefined) this.#end(sessionFailure(error))
  }

  readonly #onSocketClose = (): void => {
    if (this.#session === undefined) this.#end(sessionFailure(this.#error))
  }

  readonly #onClose = (): void => {
    this.#end(sessionFailure(this.#error))
    this.#owner.onClosed(this)
  }

  /** Breaks it off. */
  #end(reason: Refusal): void {
    clearTimeout(this.#openTimer)
    const before = this.#state
    if (before === 'closed') return
    this.#state = 'closed'
    this.#reason ??= reason
    this.#session?.destroy()
    this.#socket.destroy()
    if (before === 'opening') this.#owner.onNotOpened(this, reason)
  }
}
