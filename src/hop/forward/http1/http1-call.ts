import type { Refusal } from '../../../model/refusal.ts'
import type { ResponseHandler, UpstreamCall, UpstreamRequest } from '../upstream-client.ts'

/** The connection of a call, as far as the call has to do with it. */
export interface CallConnection {
  pause(): void
  resume(): void
  destroy(): void
}

/** One request on its way: waiting for a connection, or on one. */
export class Http1Call implements UpstreamCall {
  readonly request: UpstreamRequest
  readonly handler: ResponseHandler
  readonly #onGivenUp: (call: Http1Call) => void
  /** The connection that it is on, or that is being opened for it. */
  connection: CallConnection | undefined
  /** Connections tried. */
  attempts = 0
  #isOver = false

  /** @param onGivenUp called when it is aborted while it has no connection */
  constructor(request: UpstreamRequest, handler: ResponseHandler, onGivenUp: (call: Http1Call) => void) {
    this.request = request
    this.handler = handler
    this.#onGivenUp = onGivenUp
  }

  get isOver(): boolean {
    return this.#isOver
  }

  pause(): void {
    if (!this.#isOver) this.connection?.pause()
  }

  resume(): void {
    if (!this.#isOver) this.connection?.resume()
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
