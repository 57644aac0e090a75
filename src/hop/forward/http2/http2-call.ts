import { STATUS_CODES } from 'node:http'
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { BodySink, RequestBody } from '../request-body.ts'
import type { ResponseHandler, UpstreamCall, UpstreamRequest } from '../upstream-client.ts'
import type { Http2Session } from './http2-session.ts'
import { KeptBody } from './kept-body.ts'
import { requestFields, trailerFields } from './request-fields.ts'
import { responseFields } from './response-fields.ts'

/** Interim responses before the final one; more is an attack. */
const maxInterim = 32
const noTrailers: readonly string[] = []
const tooLarge = refusal('upstream.malformed', 'a header section that is too large')

export interface CallTimeouts {
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
}

/** What a call tells those that it belongs to. */
export interface CallOwner {
  /** The time of the last sweep: near enough for limits of seconds, and free. */
  readonly nowMs: number
  /** Something of its response was handed over; it is to be told when that was all for now. */
  onMoved(call: Http2Call): void
  /** Its stream is gone before the response had ended; upstream has surely not processed it, or may have. */
  onBroken(call: Http2Call, isUnprocessed: boolean, reason: Refusal): void
  /** Its handler hears nothing more. */
  onOver(call: Http2Call): void
}

/** One request on its way: waiting for a connection, or on a stream of one. */
export class Http2Call implements UpstreamCall, BodySink {
  readonly request: UpstreamRequest
  readonly #handler: ResponseHandler
  readonly #owner: CallOwner
  readonly #kept = new KeptBody()
  #session: Http2Session | undefined
  #stream: ClientHttp2Stream | undefined
  /** Of the stream, when it has a body. */
  #canceller: AbortController | undefined
  /** Streams tried, and connections that could not be opened for it. */
  attempts = 0
  #error: Error | undefined
  #isOver = false
  #isPaused = false
  #isMoved = false
  #isBodyFlowing = false
  #hasHead = false
  /** Whether Node will still ask for the trailers of the request. */
  #isAwaitingTrailers = false
  /** Whether the stream's own end came, and not only an end to it. */
  #isWhole = false
  #interim = 0
  #requestTrailers = noTrailers
  #trailers = noTrailers
  /** When something moved last. */
  #movedMs: number

  constructor(request: UpstreamRequest, handler: ResponseHandler, owner: CallOwner) {
    this.request = request
    this.#handler = handler
    this.#owner = owner
    this.#movedMs = owner.nowMs
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether it could be sent from its beginning: nothing was answered, and its body is still there. */
  get isRepeatable(): boolean {
    return !this.#isOver && !this.#hasHead && this.#kept.isWhole
  }

  /** Sends it on a connection that has capacity. */
  start(session: Http2Session): void {
    const { body } = this.request
    const fields = requestFields(this.request, session.scheme, session.acceptedHeaderBytes)
    if (!fields.ok) {
      process.nextTick(() => this.fail(fields.error))
      return
    }
    const waitForTrailers = this.request.announcesTrailers
    this.#canceller = body && new AbortController()
    const stream = session.request(
      fields.value,
      this.#canceller && { signal: this.#canceller.signal, waitForTrailers },
    )
    this.#isAwaitingTrailers = waitForTrailers
    this.attempts += 1
    this.#session = session
    this.#stream = stream
    this.#movedMs = this.#owner.nowMs
    this.#isWhole = false
    // Node tells by the same event that a response has ended and that it was cut off without an error. Only here it
    // can be seen which of them it is.
    const { push } = stream
    stream.push = (chunk, encoding) => {
      if (chunk === null && !stream.closed) this.#isWhole = true
      return push.call(stream, chunk, encoding)
    }
    stream.on('headers', this.#onInterim)
    stream.once('response', this.#onResponse)
    stream.once('trailers', this.#onTrailers)
    stream.once('end', this.#onEnd)
    stream.on('error', this.#onError)
    stream.once('close', this.#onClose)
    if (body !== undefined) this.#sendBody(stream, body)
  }

  write(chunk: Buffer): boolean {
    if (!this.#hasHead) this.#kept.keep(chunk)
    const stream = this.#stream
    if (stream === undefined || !stream.writable) return false
    this.#movedMs = this.#owner.nowMs
    return stream.write(chunk)
  }

  end(trailers: readonly string[]): void {
    this.#movedMs = this.#owner.nowMs
    this.#requestTrailers = trailers
    this.#stream?.end()
  }

  pause(): void {
    if (this.#isOver) return
    this.#isPaused = true
    this.#stream?.pause()
  }

  resume(): void {
    if (this.#isOver) return
    this.#isPaused = false
    this.#movedMs = this.#owner.nowMs
    // Nobody listens before there is a head, and what nobody listens to is lost.
    if (this.#hasHead) this.#stream?.resume()
  }

  abort(): void {
    if (this.#isOver) return
    this.#over()
    this.#cancel()
  }

  fail(reason: Refusal): void {
    if (this.#isOver) return
    this.#over()
    this.#cancel()
    this.#handler.onFailure(reason)
  }

  /** Everything that arrived together was handed over. */
  settle(): void {
    this.#isMoved = false
    if (!this.#isOver) this.#handler.onPause()
  }

  /** Looks whether its time is over. */
  check(nowMs: number, timeouts: CallTimeouts): void {
    if (this.#stream === undefined || this.#isPaused || this.#isWaitingForCaller()) {
      // Waiting for a stream has a limit of its own, and the caller's time is looked after elsewhere.
      this.#movedMs = nowMs
      return
    }
    const restedMs = nowMs - this.#movedMs
    if (!this.#hasHead && this.#isRequestSent()) {
      if (restedMs >= timeouts.headersTimeoutMs) this.fail(refusal('upstream.timeout', 'no response'))
    } else if (restedMs >= timeouts.bodyTimeoutMs) {
      this.fail(refusal('upstream.timeout', 'a body that does not move'))
    }
  }

  #isWaitingForCaller(): boolean {
    return !this.#hasHead && !this.#isRequestSent() && this.#stream?.writableNeedDrain !== true
  }

  #isRequestSent(): boolean {
    const { body } = this.request
    return body === undefined || body.isComplete
  }

  #sendBody(stream: ClientHttp2Stream, body: RequestBody): void {
    stream.on('drain', this.#onDrain)
    stream.once('wantTrailers', this.#onWantTrailers)
    if (!this.#isBodyFlowing) {
      this.#isBodyFlowing = true
      body.flowInto(this)
      return
    }
    for (const piece of this.#kept.pieces) stream.write(piece)
    if (this.#isRequestSent()) stream.end()
    else if (!stream.writableNeedDrain) body.resume()
  }

  readonly #onInterim = (headers: IncomingHttpHeaders, _flags: number, raw?: readonly string[]): void => {
    if (this.#isOver) return
    this.#moved()
    this.#interim += 1
    const status = Number(headers[':status'])
    if (this.#interim > maxInterim) this.fail(refusal('upstream.malformed', 'too many interim responses'))
    else if (status === 101) this.fail(refusal('upstream.malformed', 'a switch to another protocol'))
    else if (status !== 100) this.#takeInterim(status, responseFields(raw ?? []))
  }

  #takeInterim(status: number, fields: readonly string[] | undefined): void {
    if (fields === undefined) this.fail(tooLarge)
    else this.#handler.onInformation(status, fields)
  }

  readonly #onResponse = (headers: IncomingHttpHeaders, _flags: number, raw?: readonly string[]): void => {
    const stream = this.#stream
    if (this.#isOver || stream === undefined) return
    const status = Number(headers[':status'])
    const fields = responseFields(raw ?? [])
    if (!(status >= 200 && status <= 599)) {
      this.fail(refusal('upstream.malformed', 'a status that is none'))
    } else if (fields === undefined) {
      this.fail(tooLarge)
    } else {
      this.#hasHead = true
      this.#kept.drop()
      this.#moved()
      this.#handler.onHead(status, STATUS_CODES[status] ?? '', fields)
      if (!this.#isOver) stream.on('data', this.#onData)
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return
    this.#moved()
    this.#handler.onData(chunk)
  }

  readonly #onTrailers = (_headers: unknown, _flags: number, raw?: readonly string[]): void => {
    const fields = responseFields(raw ?? noTrailers)
    if (fields === undefined) this.fail(tooLarge)
    else this.#trailers = fields
  }

  readonly #onEnd = (): void => {
    const stream = this.#stream
    if (this.#isOver || stream === undefined || !this.#isWhole || !this.#hasHead) return
    this.#over()
    // An answer that did not wait for the whole request: nobody reads the rest (RFC 9113 §8.1).
    if (!stream.writableFinished) this.#cancel()
    this.#handler.onEnd(this.#trailers)
  }

  readonly #onDrain = (): void => {
    this.#movedMs = this.#owner.nowMs
    this.request.body?.resume()
  }

  readonly #onError = (error: Error): void => {
    this.#error ??= error
  }

  readonly #onClose = (): void => {
    const [session, stream, error] = [this.#session, this.#stream, this.#error]
    if (session === undefined || stream === undefined) return
    this.#session = undefined
    this.#stream = undefined
    this.#error = undefined
    if (!this.#isOver) {
      this.#owner.onBroken(this, session.isUnprocessed(stream), session.failure(stream, error))
    }
    session.release(stream)
  }

  #moved(): void {
    this.#movedMs = this.#owner.nowMs
    if (this.#isMoved) return
    this.#isMoved = true
    this.#session?.heard()
    this.#owner.onMoved(this)
  }

  /**
   * Resets the stream with CANCEL. While it has a body, closing it would first tell upstream that the body is whole: a
   * signal does not. When the body has ended and Node has not asked for the trailers yet, that must come first: it asks
   * even for those of a stream that is gone, and ends the process when it finds it so.
   */
  #cancel(): void {
    const stream = this.#stream
    if (this.#canceller === undefined) stream?.close(constants.NGHTTP2_CANCEL)
    else if (!this.#isAwaitingTrailers || stream?.writableEnded !== true) this.#canceller.abort()
  }

  readonly #onWantTrailers = (): void => {
    this.#isAwaitingTrailers = false
    if (this.#isOver) setImmediate(() => this.#cancel())
    else this.#stream?.sendTrailers(trailerFields(this.#requestTrailers))
  }

  #over(): void {
    this.#isOver = true
    this.#kept.drop()
    this.request.body?.stop()
    if (this.#stream !== undefined) this.#session?.abandon(this.#stream)
    this.#owner.onOver(this)
  }
}
