import type { CallerRequest } from '../../base/http-caller.ts'
import { requestTrailers } from './request-trailers.ts'

/** Where the pieces of a request body go. */
export interface BodySink {
  /** @returns false when the next piece should wait for {@link RequestBody.resume} */
  write(chunk: Buffer): boolean
  /** @param trailers name, value, name, value, …; those that may be forwarded */
  end(trailers: readonly string[]): void
}

export interface RequestBodyOptions {
  /** What `Content-Length` says. */
  readonly length: number | undefined
  /** undefined means no limit. */
  readonly maxBytes: number | undefined
  /** Called when it turns out to be longer than that, or than it says; nothing of it is handed over any more. */
  readonly onTooLarge: () => void
}

/** The caller's body on its way to upstream: read no faster than it is sent, counted, and never longer than allowed. */
export class RequestBody {
  /** What `Content-Length` says; undefined when the end is known only when it comes. */
  readonly length: number | undefined
  readonly #source: CallerRequest
  readonly #maxBytes: number
  readonly #onTooLarge: () => void
  #sink: BodySink | undefined
  #bytes = 0
  #isComplete = false

  constructor(source: CallerRequest, options: RequestBodyOptions) {
    this.#source = source
    this.length = options.length
    // Upstream would read what is more than it says as the next request.
    this.#maxBytes = Math.min(options.maxBytes ?? Infinity, options.length ?? Infinity)
    this.#onTooLarge = options.onTooLarge
  }

  /** Bytes handed over so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether the end was handed over. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Begins to hand pieces over. To be called once. */
  flowInto(sink: BodySink): void {
    this.#sink = sink
    this.#source.on('data', this.#onData)
    this.#source.on('end', this.#onEnd)
  }

  resume(): void {
    if (this.#sink !== undefined) this.#source.resume()
  }

  /** Hands nothing over any more. What still comes is dropped as it comes. */
  stop(): void {
    if (this.#isComplete) return
    this.#source.off('data', this.#onData)
    this.#source.off('end', this.#onEnd)
    this.#sink = undefined
    this.#source.resume()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBytes) {
      this.stop()
      this.#onTooLarge()
      return
    }
    const goesOn = this.#sink?.write(chunk)
    if (goesOn === false && this.#sink !== undefined) this.#source.pause()
  }

  readonly #onEnd = (): void => {
    const sink = this.#sink
    this.#isComplete = true
    this.#sink = undefined
    sink?.end(requestTrailers(this.#source.rawTrailers))
  }
}
