import { readTrailers } from './response-head.ts'

/** Longest line with a chunk's size, its extensions included. */
const maxSizeLine = 4_096
const maxTrailerBytes = 16 * 1_024
/** A size in at most eleven hexadecimal digits, and extensions that are passed over (RFC 9112 §7.1.1). */
const sizeLine = /^([0-9A-Fa-f]{1,11})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/
const lineFeed = 0x0a
const carriageReturn = 0x0d

/** What a decoder does with what it finds. */
export interface ChunkedHandler {
  /** @param chunk a view into what was given to {@link ChunkedDecoder.decode} */
  onData(chunk: Buffer): void
}

/** Takes the chunked transfer coding off a body (RFC 9112 §7.1), strictly: every line ends with CR LF. */
export class ChunkedDecoder {
  #state: 'size' | 'data' | 'data end' | 'trailers' = 'size'
  #left = 0
  #line = ''
  #trailerText = ''
  #trailers: string[] = []

  /** Fields of the trailer section, once the end was found. */
  get trailers(): readonly string[] {
    return this.#trailers
  }

  /**
   * Decodes the next bytes.
   *
   * @param buffer bytes between `start` and `end`
   * @returns where the message ended; `end` + 1 when it goes on; -1 when it is malformed
   */
  decode(buffer: Buffer, start: number, end: number, handler: ChunkedHandler): number {
    let at = start
    while (at < end) {
      if (this.#state === 'data') {
        const size = Math.min(this.#left, end - at)
        handler.onData(buffer.subarray(at, at + size))
        at += size
        this.#left -= size
        if (this.#left === 0) this.#state = 'data end'
        continue
      }
      const feed = buffer.indexOf(lineFeed, at)
      const isWhole = feed !== -1 && feed < end
      this.#line += buffer.toString('latin1', at, isWhole ? feed + 1 : end)
      if (this.#line.length > (this.#state === 'trailers' ? maxTrailerBytes : maxSizeLine)) return -1
      if (!isWhole) return end + 1
      at = feed + 1
      const line = this.#line
      this.#line = ''
      if (line.charCodeAt(line.length - 2) !== carriageReturn) return -1
      const next = this.#take(line)
      if (next === 'malformed') return -1
      if (next === 'end') return at
    }
    return end + 1
  }

  /** @param line with its line end */
  #take(line: string): 'more' | 'end' | 'malformed' {
    switch (this.#state) {
      case 'size': {
        const size = sizeLine.exec(line.slice(0, -2))?.[1]
        if (size === undefined) return 'malformed'
        this.#left = Number.parseInt(size, 16)
        this.#state = this.#left === 0 ? 'trailers' : 'data'
        return 'more'
      }
      case 'data end':
        this.#state = 'size'
        return line === '\r\n' ? 'more' : 'malformed'
      default: {
        if (line !== '\r\n') {
          this.#trailerText += line
          return this.#trailerText.length > maxTrailerBytes ? 'malformed' : 'more'
        }
        const trailers = readTrailers(this.#trailerText)
        if (trailers === undefined) return 'malformed'
        this.#trailers = trailers
        return 'end'
      }
    }
  }
}
