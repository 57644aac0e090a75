import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { CallerRequest, HeaderFlaw } from '../../../base/http-caller.ts'
import { type RequestHead, readTrailers } from './request-head.ts'

/** A stream's request. Its body has one reader. */
export class Http2Request implements CallerRequest {
  readonly method: string
  readonly url: string
  readonly httpVersion = '2.0'
  readonly rawHeaders: readonly string[]
  readonly socket: Socket
  readonly hasBody: boolean
  readonly flaw: HeaderFlaw | undefined
  rawTrailers: readonly string[] = []
  /** Bytes of the body that were handed over. */
  bytes = 0
  readonly #stream: ServerHttp2Stream
  #onData: ((chunk: Buffer) => void) | undefined
  #onEnd: (() => void) | undefined
  #hasEnded = false

  constructor(stream: ServerHttp2Stream, head: RequestHead, socket: Socket) {
    this.#stream = stream
    this.method = head.method
    this.url = head.target
    this.rawHeaders = head.fields
    this.flaw = head.flaw
    this.socket = socket
    this.hasBody = !stream.endAfterHeaders
    if (!this.hasBody) return
    // An empty body may end before anybody reads it.
    stream.on('end', this.#endCame)
    stream.on('trailers', this.#trailersCame)
  }

  /** Whether all of it was read. */
  get isComplete(): boolean {
    return this.#hasEnded || !this.hasBody
  }

  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): void {
    if (event === 'data') {
      this.#onData = listener
      this.#stream.on('data', this.#dataCame)
    } else {
      this.#onEnd = listener as () => void
      if (this.#hasEnded) process.nextTick(this.#endCame)
    }
  }

  off(event: 'data' | 'end', _listener: (chunk: Buffer) => void): void {
    if (event === 'data') {
      this.#onData = undefined
      this.#stream.off('data', this.#dataCame)
    } else {
      this.#onEnd = undefined
    }
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  readonly #dataCame = (chunk: Buffer): void => {
    this.bytes += chunk.length
    this.#onData?.(chunk)
  }

  /** Node also ends a body that RST_STREAM cut off: half a body is not to look like a whole one. */
  readonly #endCame = (): void => {
    if (this.#stream.closed) return
    this.#hasEnded = true
    this.#onEnd?.()
  }

  readonly #trailersCame = (_headers: IncomingHttpHeaders, _flags: number, raw?: readonly string[]): void => {
    if (raw !== undefined) this.rawTrailers = readTrailers(raw)
  }
}
