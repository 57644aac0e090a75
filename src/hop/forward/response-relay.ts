import type { ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Delivery } from '../../model/delivery.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { type RawHeaders, responseHeaders, responseTrailers } from './response-headers.ts'
import { upstreamFailure } from './upstream-failure.ts'

export interface RelayOptions {
  readonly response: ServerResponse
  readonly realm: string | undefined
  /** Largest request body, in bytes. */
  readonly bodyBytes: number | undefined
  readonly monotonicMs: () => number
  /** Called once, with how it ended. */
  readonly finish: (result: Result<Delivery, Refusal>) => void
  /** Called when upstream says 401 to the issued token. */
  readonly onUnauthorized: () => void
}

/** A body up to this size leaves as text, byte for byte in Latin-1: Node then writes it and its head as one piece. */
const smallBodyBytes = 2_048

/**
 * Carries one upstream response to the caller as it arrives, with backpressure.
 *
 * The first piece of the body is held until the parser has read all that came with it: head and body of a small
 * answer then leave in one write, and a stream's first event is not delayed.
 */
export class ResponseRelay implements Dispatcher.DispatchHandler {
  readonly #options: RelayOptions
  readonly #response: ServerResponse
  readonly #startedMs: number
  #controller: Dispatcher.DispatchController | undefined
  #held: Buffer | undefined
  #isHolding = true
  #status = 0
  #upstreamMs = 0
  #bytesIn = 0
  #bytesOut = 0
  #isFinished = false
  #refusal: Refusal | undefined

  constructor(options: RelayOptions) {
    this.#options = options
    this.#response = options.response
    this.#startedMs = options.monotonicMs()
    this.#response.on('close', this.#onCallerClosed)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#response.destroyed) this.#onCallerClosed()
  }

  /** Not in undici's types, but part of its handler: called with each piece of the request body that was sent. */
  onBodySent(chunk: Uint8Array | string): void {
    this.#bytesIn += chunk.length
    const { bodyBytes } = this.#options
    if (bodyBytes === undefined || this.#bytesIn <= bodyBytes) return
    this.#refusal = refusal('request.body_too_large', `a body of more than ${bodyBytes} bytes`)
    this.#controller?.abort(new Error('the body is too large'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    const raw = (controller.rawHeaders ?? []) as RawHeaders
    if (status < 200) {
      this.#relayInformation(status, raw)
      return
    }
    this.#status = status
    this.#upstreamMs = this.#options.monotonicMs() - this.#startedMs
    if (status === 401) this.#options.onUnauthorized()
    this.#response.writeHead(status, reasonPhrase(statusText), responseHeaders(raw, this.#options.realm))
    queueMicrotask(this.#release)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytesOut += chunk.length
    if (this.#isHolding && this.#held === undefined) {
      this.#held = chunk
      return
    }
    this.#release()
    this.#write(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const late = responseTrailers((controller.rawTrailers ?? []) as RawHeaders)
    if (late.length > 0) this.#response.addTrailers(late)
    this.#isHolding = false
    const held = this.#held
    if (held === undefined) this.#response.end()
    else if (held.length > smallBodyBytes) this.#response.end(held)
    else this.#response.end(held.toString('latin1'), 'latin1')
    this.#finish(true)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#response.headersSent) {
      // The caller must not take half an answer for a whole one.
      this.#response.destroy()
      this.#finish(false)
      return
    }
    this.#refuse(this.#refusal ?? upstreamFailure(error))
  }

  #relayInformation(status: number, raw: RawHeaders): void {
    // 100 was ours to send, and 101 cannot come here: no upgrade was asked for.
    // An HTTP/1.0 caller cannot read an interim response (RFC 9110 §15.2).
    const isReadable = this.#response.req.httpVersion !== '1.0'
    if (status === 103 && isReadable) this.#response.writeInformation(103, responseHeaders(raw, undefined))
  }

  readonly #release = (): void => {
    if (!this.#isHolding) return
    this.#isHolding = false
    const held = this.#held
    this.#held = undefined
    if (held === undefined) this.#response.flushHeaders()
    else if (this.#controller !== undefined) this.#write(this.#controller, held)
  }

  #write(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  readonly #onCallerClosed = (): void => {
    if (this.#isFinished) return
    this.#refusal ??= refusal('client.closed', 'the caller went away')
    this.#controller?.abort(new Error('the caller is gone'))
  }

  #finish(complete: boolean): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#options.finish(
      ok({
        status: this.#status,
        upstreamMs: this.#upstreamMs,
        bytesIn: this.#bytesIn,
        bytesOut: this.#bytesOut,
        complete,
      }),
    )
  }

  #refuse(reason: Refusal): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#options.finish(fail(reason))
  }
}

/** A reason phrase is for human readers and means nothing (RFC 9110 §15); one that is not plain ASCII is left out. */
function reasonPhrase(text: string | undefined): string {
  return text !== undefined && /^[\x20-\x7e]*$/.test(text) ? text : ''
}
