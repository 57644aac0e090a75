import { removeFields } from '../../base/connection-options.ts'
import type { CallerResponse } from '../../base/http-caller.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Secret } from '../../base/secret.ts'
import type { Delivery } from '../../model/delivery.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectionSpace } from '../../oauth/challenge.ts'
import type { RequestBody } from './request-body.ts'
import { reasonPhrase, responseHeaders, responseTrailers } from './response-headers.ts'
import type { ResponseHandler, UpstreamCall } from './upstream-client.ts'

export interface RelayOptions {
  readonly response: CallerResponse
  readonly space: ProtectionSpace | undefined
  /** The token that upstream got; undefined on a public route. */
  readonly issued: Secret | undefined
  readonly monotonicMs: () => number
  /** Called once, with how it ended. */
  readonly finish: (result: Result<Delivery, Refusal>) => void
  /** Called when upstream says 401 to the issued token. */
  readonly onUnauthorized: () => void
}

/** The reader of one version of HTTP lets through what the writer of another does not. */
const notPassedOn = refusal('upstream.malformed', 'a header section that cannot be passed on')

/** An interim response and a 204 have no body, and must not speak of its length (RFC 9110 §8.6). */
const lengthFields: ReadonlySet<string> = new Set(['content-length'])

/** A body up to this size leaves as text, byte for byte in Latin-1: Node then writes it and its head as one piece. */
const smallBodyBytes = 2_048

/**
 * Carries one upstream response to the caller as it arrives, with backpressure.
 *
 * The head and the first piece of the body are held until everything that came with them was read: a small answer then
 * leaves in one write, a stream's first event is not delayed, and an answer that turns out to be none is still refused.
 */
export class ResponseRelay implements ResponseHandler {
  readonly #options: RelayOptions
  readonly #response: CallerResponse
  readonly #startedMs: number
  #call: UpstreamCall | undefined
  #body: RequestBody | undefined
  /** The head, and the first piece of the body, until everything that came with them was read. */
  #heldHead: { readonly phrase: string; readonly fields: readonly string[] } | undefined
  #held: Buffer | string | undefined
  #status = 0
  #upstreamMs = 0
  #bytesOut = 0
  #isStalled = false
  #isFinished = false

  constructor(options: RelayOptions) {
    this.#options = options
    this.#response = options.response
    this.#startedMs = options.monotonicMs()
    this.#response.on('close', this.#onCallerClosed)
  }

  /** To be told once, when the request was sent. */
  started(call: UpstreamCall, body: RequestBody | undefined): void {
    this.#call = call
    this.#body = body
    if (this.#response.destroyed) this.#onCallerClosed()
  }

  /** Gives the request up, and refuses it unless the response has begun. */
  giveUp(reason: Refusal): void {
    this.#call?.abort()
    this.onFailure(reason)
  }

  onInformation(status: number, fields: readonly string[]): void {
    // An HTTP/1.0 caller cannot read an interim response (RFC 9110 §15.2).
    const isReadable = this.#response.req.httpVersion !== '1.0'
    if (status !== 103 || !isReadable) return
    try {
      const hints = responseHeaders(fields, undefined, this.#options.issued)
      removeFields(hints, lengthFields)
      this.#response.writeInformation(103, hints)
    } catch {
      this.giveUp(notPassedOn)
    }
  }

  onHead(status: number, phrase: string, fields: readonly string[]): void {
    this.#status = status
    this.#upstreamMs = this.#options.monotonicMs() - this.#startedMs
    if (status === 401) this.#options.onUnauthorized()
    this.#heldHead = { phrase, fields }
  }

  onData(chunk: Buffer): void {
    this.#bytesOut += chunk.length
    if (this.#heldHead !== undefined && this.#held === undefined) {
      this.#held = chunk.length > smallBodyBytes ? Buffer.from(chunk) : chunk.toString('latin1')
      return
    }
    if (this.#heldHead !== undefined && !this.#release()) return
    this.#write(Buffer.from(chunk))
  }

  onPause(): void {
    if (this.#heldHead === undefined) return
    const isHeadAlone = this.#held === undefined
    if (this.#release() && isHeadAlone) this.#response.flushHeaders()
  }

  onEnd(trailers: readonly string[]): void {
    try {
      this.#writeHead()
      if (trailers.length > 0) this.#response.addTrailers(responseTrailers(trailers, this.#options.issued))
      const held = this.#held
      if (held === undefined) this.#response.end()
      else if (typeof held === 'string') this.#response.end(held, 'latin1')
      else this.#response.end(held)
    } catch {
      this.giveUp(notPassedOn)
    }
    this.#finish(true)
  }

  onFailure(reason: Refusal): void {
    if (this.#isFinished) return
    if (this.#response.headersSent) {
      // The caller must not take half an answer for a whole one.
      this.#response.destroy()
      this.#finish(false)
      return
    }
    this.#isFinished = true
    this.#options.finish(fail(reason))
  }

  /** @throws Error when the caller's side has no way to say it */
  #writeHead(): void {
    const head = this.#heldHead
    if (head === undefined) return
    this.#heldHead = undefined
    const { space, issued } = this.#options
    const fields = responseHeaders(head.fields, space, issued)
    if (this.#status === 204) removeFields(fields, lengthFields)
    this.#response.writeHead(this.#status, reasonPhrase(head.phrase, issued), fields)
  }

  /** Writes what was held. @returns false when that was not possible, and the request was given up */
  #release(): boolean {
    try {
      this.#writeHead()
      const held = this.#held
      this.#held = undefined
      if (held !== undefined) this.#write(typeof held === 'string' ? Buffer.from(held, 'latin1') : held)
      return true
    } catch {
      this.giveUp(notPassedOn)
      return false
    }
  }

  #write(chunk: Buffer): void {
    if (this.#response.write(chunk) || this.#isStalled) return
    // More of what was read already may come.
    this.#isStalled = true
    this.#call?.pause()
    this.#response.once('drain', this.#onDrain)
  }

  readonly #onDrain = (): void => {
    this.#isStalled = false
    this.#call?.resume()
  }

  readonly #onCallerClosed = (): void => {
    if (!this.#isFinished) this.giveUp(refusal('client.closed', 'the caller went away'))
  }

  #finish(complete: boolean): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#options.finish(
      ok({
        status: this.#status,
        upstreamMs: this.#upstreamMs,
        bytesIn: this.#body?.bytes ?? 0,
        bytesOut: this.#bytesOut,
        complete,
      }),
    )
  }
}
