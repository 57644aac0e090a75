import { constants, type ServerHttp2Stream } from 'node:http2'
import type { CallerResponse } from '../../../base/http-caller.ts'
import type { Http2Request } from './http2-request.ts'
import { fieldObject, mayHaveTrailers, responseFields } from './response-fields.ts'

/**
 * A stream's response. The head is held until the first byte of the body, or the end: a response without a body is then
 * one frame, and one that comes in a piece knows whether trailers follow it.
 */
export class Http2Response implements CallerResponse {
  readonly req: Http2Request
  shouldKeepAlive = true
  /** Bytes of the body that were taken to be sent. */
  bytes = 0
  readonly #stream: ServerHttp2Stream
  #head: string[] | undefined
  #trailers: readonly (readonly [name: string, value: string])[] | undefined
  #waitsForTrailers = false
  #isBodiless = false
  #hasEnded = false

  constructor(stream: ServerHttp2Stream, request: Http2Request) {
    this.#stream = stream
    this.req = request
  }

  get headersSent(): boolean {
    return this.#head !== undefined || this.#stream.headersSent
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  writeContinue(): void {
    this.writeInformation(100, [])
  }

  writeInformation(status: number, fields: readonly string[]): void {
    if (this.destroyed || this.headersSent) return
    this.#stream.additionalHeaders({ ':status': status, ...fieldObject(pairs(fields)) })
  }

  writeHead(status: number, _phrase: string, fields: readonly string[]): void {
    this.#head = responseFields(status, fields)
    this.#isBodiless = this.req.method === 'HEAD' || status === 204 || status === 205 || status === 304
  }

  flushHeaders(): void {
    if (!this.destroyed) this.#begin('more')
  }

  write(chunk: Uint8Array): boolean {
    if (this.destroyed || this.#hasEnded) return true
    this.#begin('more')
    if (this.#isBodiless) return true
    this.bytes += chunk.length
    return this.#stream.write(chunk)
  }

  addTrailers(fields: readonly (readonly [name: string, value: string])[]): void {
    this.#trailers = fields
  }

  end(body?: Uint8Array | string, encoding: 'latin1' | 'utf8' = 'utf8'): void {
    if (this.destroyed || this.#hasEnded) return
    const hasBody = body !== undefined && body.length > 0 && !this.#isBodiless
    this.#begin(hasBody ? 'body' : 'end')
    this.#hasEnded = true
    if (!this.req.isComplete && !this.#waitsForTrailers) this.#stream.once('finish', this.#leaveTheRest)
    if (!hasBody) {
      this.#stream.end()
    } else if (typeof body === 'string') {
      this.bytes += Buffer.byteLength(body, encoding)
      this.#stream.end(body, encoding)
    } else {
      this.bytes += body.length
      this.#stream.end(body)
    }
  }

  /**
   * Resets the stream with INTERNAL_ERROR. Not by `close`, which ends the body first when nothing of it waits to be sent:
   * half an answer would look like a whole one.
   */
  destroy(): void {
    this.#stream.destroy(brokenOff)
  }

  on(event: 'close' | 'drain', listener: () => void): void {
    this.#stream.on(event, listener)
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    this.#stream.once(event, listener)
  }

  /** @param what follows: nothing, the whole body, or pieces of it */
  #begin(what: 'end' | 'body' | 'more'): void {
    const head = this.#head
    if (head === undefined) return
    this.#head = undefined
    if (what === 'end' && this.#trailers === undefined) {
      this.#stream.respond(head, { endStream: true })
      return
    }
    this.#waitsForTrailers = what === 'more' ? mayHaveTrailers(head) : this.#trailers !== undefined
    this.#stream.respond(head, { waitForTrailers: this.#waitsForTrailers })
    if (this.#waitsForTrailers) this.#stream.once('wantTrailers', this.#sendTrailers)
  }

  readonly #sendTrailers = (): void => {
    try {
      this.#stream.sendTrailers(fieldObject(this.#trailers ?? []))
      // They leave in an immediate of their own, and this goes behind them.
      if (!this.req.isComplete) setImmediate(this.#leaveTheRest)
    } catch {
      this.destroy()
    }
  }

  /**
   * The answer is whole, and nobody reads the rest of the request: the caller is told to stop sending it (RFC 9113
   * §8.1).
   */
  readonly #leaveTheRest = (): void => {
    if (!this.req.isComplete) this.#stream.close(constants.NGHTTP2_NO_ERROR)
  }
}

const brokenOff = new Error('the answer was broken off')

function* pairs(fields: readonly string[]): Generator<readonly [name: string, value: string]> {
  for (let index = 0; index < fields.length; index += 2) {
    yield [fields[index] as string, fields[index + 1] as string]
  }
}
