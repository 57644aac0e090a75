import type { OnReadOpts, Socket } from 'node:net'
import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { BodySink, RequestBody } from '../request-body.ts'
import { upstreamFailure } from '../upstream-failure.ts'
import type { Http1Call } from './http1-call.ts'
import { ResponseParser } from './response-parser.ts'

/** Opens a socket that reads as told. */
export type OpenSocket = (onread: OnReadOpts) => Socket

/** What a connection tells the client that it belongs to. */
export interface ConnectionOwner {
  /** The time of the last sweep: near enough for limits of seconds, and free. */
  readonly nowMs: number
  /** It may take the next request. */
  onIdle(connection: Http1Connection): void
  /** It was not opened: its call may be sent on another one, since nothing of it was sent. */
  onUnsent(call: Http1Call, reason: Refusal): void
  onClosed(connection: Http1Connection): void
}

export interface ConnectionTimeouts {
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
}

/** An idle connection is closed before upstream does it, so that no request meets the closing. */
const idleMs = 4_000
const longestIdleMs = 600_000
const idleMarginMs = 1_000

/** All connections read into this: what is read is handed over at once, and copied by whoever keeps it. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1_024)

const shortBody = refusal('request.malformed', 'a body shorter than it says')

/**
 * One connection to upstream, with one request at a time (RFC 9112 §9). It is used again only when request and response
 * have ended, and both sides agree; bytes that nobody asked for end it, so that they are nobody's answer.
 */
export class Http1Connection implements BodySink {
  readonly #owner: ConnectionOwner
  readonly #timeouts: ConnectionTimeouts
  readonly #socket: Socket
  readonly #parser = new ResponseParser()
  #call: Http1Call | undefined
  #body: RequestBody | undefined
  #isOpen = false
  #isPaused = false
  #isChunked = false
  #idleLimitMs = idleMs
  /** When something moved last. */
  #movedMs: number

  /** @param call the request to be sent as soon as the connection is there */
  constructor(owner: ConnectionOwner, open: OpenSocket, timeouts: ConnectionTimeouts, call: Http1Call) {
    this.#owner = owner
    this.#timeouts = timeouts
    this.#call = call
    this.#movedMs = owner.nowMs
    call.connection = this
    this.#socket = open({
      buffer: readBuffer,
      callback: size => {
        this.#onRead(size)
        return true
      },
    })
    this.#socket.on('error', this.#onError)
    this.#socket.once('end', this.#onEnd)
    this.#socket.once('close', this.#onClose)
    this.#socket.on('drain', this.#onDrain)
  }

  /** To be called once, when the socket is connected and, with TLS, the peer is known. */
  opened(): void {
    const call = this.#call
    if (call === undefined || this.#socket.destroyed) {
      this.#socket.destroy()
      return
    }
    this.#isOpen = true
    this.start(call)
  }

  get isUsable(): boolean {
    const socket = this.#socket
    return this.#call === undefined && socket.writable && !socket.readableEnded && socket.writableLength === 0
  }

  /** Sends a request. */
  start(call: Http1Call): void {
    const { body, method } = call.request
    this.#call = call
    call.connection = this
    this.#movedMs = this.#owner.nowMs
    this.#parser.begin(call.handler, method === 'HEAD')
    if (call.isPaused) this.pause()
    this.#body = body
    if (body === undefined) {
      this.#socket.write(call.head, 'latin1')
      return
    }
    this.#isChunked = body.length === undefined
    // The head waits for what the caller has sent already, and leaves with it.
    this.#socket.cork()
    this.#socket.write(call.head, 'latin1')
    body.flowInto(this)
    process.nextTick(uncork, this.#socket)
  }

  write(chunk: Buffer): boolean {
    this.#movedMs = this.#owner.nowMs
    // An empty chunk would be the last one.
    if (chunk.length === 0) return true
    if (!this.#isChunked) return this.#socket.write(chunk)
    this.#socket.cork()
    this.#socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
    this.#socket.write(chunk)
    const goesOn = this.#socket.write('\r\n', 'latin1')
    this.#socket.uncork()
    return goesOn
  }

  end(trailers: readonly string[]): void {
    this.#movedMs = this.#owner.nowMs
    if (!this.#isChunked) {
      // What comes next on this connection would be read as the rest of it.
      if (this.#body?.bytes !== this.#body?.length) this.#breakOff(shortBody)
      return
    }
    let text = '0\r\n'
    for (let index = 0; index < trailers.length; index += 2) {
      text += `${trailers[index]}: ${trailers[index + 1]}\r\n`
    }
    this.#socket.write(`${text}\r\n`, 'latin1')
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#movedMs = this.#owner.nowMs
    this.#socket.resume()
  }

  destroy(): void {
    this.#call = undefined
    this.#body = undefined
    this.#parser.stop()
    this.#socket.destroy()
  }

  /** Looks whether its time is over. */
  check(nowMs: number): void {
    if (!this.#isOpen) return
    const restedMs = nowMs - this.#movedMs
    if (this.#call === undefined) {
      if (restedMs >= this.#idleLimitMs) this.#socket.destroy()
    } else if (this.#isPaused || this.#isWaitingForCaller()) {
      // The caller's time is looked after elsewhere.
      this.#movedMs = nowMs
    } else if (this.#parser.head === undefined && this.#isRequestSent()) {
      if (restedMs >= this.#timeouts.headersTimeoutMs)
        this.#breakOff(refusal('upstream.timeout', 'no response'))
    } else if (restedMs >= this.#timeouts.bodyTimeoutMs) {
      this.#breakOff(refusal('upstream.timeout', 'a body that does not move'))
    }
  }

  #isWaitingForCaller(): boolean {
    return this.#parser.head === undefined && !this.#isRequestSent() && !this.#socket.writableNeedDrain
  }

  #isRequestSent(): boolean {
    return this.#body === undefined || this.#body.isComplete
  }

  #onRead(size: number): void {
    const call = this.#call
    if (call === undefined || !this.#isOpen) {
      // Nobody asked: whoever comes next must not get this for an answer.
      this.#socket.destroy()
      return
    }
    const progress = this.#parser.read(readBuffer, size)
    // A handler may have given up on the way.
    if (call.isOver) return
    if (progress === 'end') {
      this.#finish(call)
    } else if (progress === 'malformed') {
      this.#breakOff(refusal('upstream.malformed', this.#parser.reason))
    } else {
      // A head that comes drop by drop does not move.
      if (!this.#parser.isWithinHead) this.#movedMs = this.#owner.nowMs
      call.handler.onPause()
    }
  }

  #finish(call: Http1Call): void {
    const { head, rest, trailers } = this.#parser
    const isReusable = head?.isPersistent === true && rest === 0 && this.#isRequestSent()
    const limitMs = this.#idleLimit(head?.keepAliveSeconds)
    this.#call = undefined
    this.#body = undefined
    this.#parser.stop()
    call.end(trailers)
    if (!isReusable || limitMs <= 0 || !this.isUsable) {
      this.#socket.destroy()
      return
    }
    this.#idleLimitMs = limitMs
    this.#movedMs = this.#owner.nowMs
    if (this.#isPaused) this.resume()
    this.#owner.onIdle(this)
  }

  #idleLimit(keepAliveSeconds: number | undefined): number {
    if (keepAliveSeconds === undefined) return idleMs
    return Math.min(longestIdleMs, keepAliveSeconds * 1_000 - idleMarginMs)
  }

  readonly #onDrain = (): void => {
    this.#movedMs = this.#owner.nowMs
    this.#body?.resume()
  }

  readonly #onError = (error: Error): void => {
    this.#breakOff(upstreamFailure(error))
  }

  readonly #onEnd = (): void => {
    const call = this.#call
    if (call !== undefined && this.#isOpen && this.#parser.readEnd() === 'end') this.#finish(call)
    else this.#breakOff(this.#lost())
  }

  readonly #onClose = (): void => {
    this.#breakOff(this.#lost())
    this.#owner.onClosed(this)
  }

  #lost(): Refusal {
    const before = this.#isOpen ? 'the response did' : 'it could be used'
    return refusal('upstream.unreachable', `the connection ended before ${before}`)
  }

  #breakOff(reason: Refusal): void {
    const call = this.#call
    this.#call = undefined
    this.#body = undefined
    this.#parser.stop()
    this.#socket.destroy()
    if (call === undefined) return
    call.connection = undefined
    // Once a byte was sent, upstream may have acted on it: it is not sent again, whatever the method.
    if (this.#isOpen) call.fail(reason)
    else this.#owner.onUnsent(call, reason)
  }

  /** Gives up opening. */
  notOpened(reason: Refusal): void {
    this.#breakOff(reason)
  }
}

function uncork(socket: Socket): void {
  socket.uncork()
}
