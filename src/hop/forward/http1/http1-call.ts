import type { Refusal } from '../../../model/refusal.ts'
import type { ResponseHandler, UpstreamCall, UpstreamRequest } from '../upstream-client.ts'
import { writeRequestHead } from './request-head.ts'

/** Methods that do the same when they are sent twice (RFC 9110 §9.2.2). */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY', 'PUT', 'DELETE'])

/** The connection of a call, as far as the call has to do with it. */
export interface CallConnection {
  pause(): void
  resume(): void
  destroy(): void
}

/** One request on its way: waiting for a connection, or on one. */
export class Http1Call implements UpstreamCall {
  readonly request: UpstreamRequest
  /** The head of the request, as it is written. */
  readonly head: string
  readonly handler: ResponseHandler
  readonly #onGivenUp: (call: Http1Call) => void
  /** The connection that it is on, or that is being opened for it. */
  connection: CallConnection | undefined
  /** Connections opened for it. */
  attempts = 0
  #isOver = false
  #isPaused = false

  /**
   * @param onGivenUp called when it is aborted while it has no connection
   * @throws TypeError for a request that has no form in HTTP/1.1
   */
  constructor(request: UpstreamRequest, handler: ResponseHandler, onGivenUp: (call: Http1Call) => void) {
    this.request = request
    this.head = writeRequestHead(request)
    this.handler = handler
    this.#onGivenUp = onGivenUp
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Whether it may be sent again when nothing of it was sent. */
  get isIdempotent(): boolean {
    return idempotent.has(this.request.method)
  }

  pause(): void {
    if (this.#isOver) return
    this.#isPaused = true
    this.connection?.pause()
  }

  resume(): void {
    if (this.#isOver) return
    this.#isPaused = false
    this.connection?.resume()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.request.body?.stop()
    if (this.connection === undefined) this.#onGivenUp(this)
    else this.connection.destroy()
  }

  end(trailers: readonly string[]): void {
    this.#isOver = true
    this.request.body?.stop()
    this.handler.onEnd(trailers)
  }

  fail(reason: Refusal): void {
    if (this.#isOver) return
    this.#isOver = true
    this.request.body?.stop()
    this.handler.onFailure(reason)
  }
}
