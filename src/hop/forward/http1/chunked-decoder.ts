import { readTrailers } from './response-head.ts'

/** A size that anybody means has fewer digits: this is 16 TiB. */
const maxSizeDigits = 11
/** Of all chunks of a body together; Node's own parser has the same limit. */
const maxExtensionBytes = 16 * 1_024
const maxTrailerBytes = 16 * 1_024
/** Extensions are passed over (RFC 9112 §7.1.1), but not the blanks between them, which only a bad sender makes. */
const extensions =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)+\r\n$/
const lineFeed = 0x0a
const carriageReturn = 0x0d
const semicolon = 0x3b

/** What a decoder does with what it finds. */
export interface ChunkedHandler {
  /** @param chunk a view into what was given to {@link ChunkedDecoder.decode} */
  onData(chunk: Buffer): void
}

/** Takes the chunked transfer coding off a body (RFC 9112 §7.1), strictly: every line ends with CR LF. */
export class ChunkedDecoder {
  #state: 'size' | 'extensions' | 'size end' | 'data' | 'data end' | 'data line feed' | 'trailers' | 'end' =
    'size'
  /** Bytes of the chunk that are still to come; its size, as far as that was read. */
  #left = 0
  #digits = 0
  /** The line of extensions or trailers that is being read. */
  #line = ''
  #extensionBytes = 0
  #trailerText = ''
  #trailers: string[] = []

  /** Fields of the trailer section, once the end was found. */
  get trailers(): readonly string[] {
    return this.#trailers
  }

  /**
   * Decodes the next bytes. The data of all chunks among them is handed over as one piece, since a chunk may be as small
   * as one byte; when the bytes turn out to be malformed, nothing of it is.
   *
   * @param buffer bytes between `start` and `end`, among which data is moved
   * @returns where the message ended; `end` + 1 when it goes on; -1 when it is malformed
   */
  decode(buffer: Buffer, start: number, end: number, handler: ChunkedHandler): number {
    let at = start
    let from = 0
    let to = 0
    while (at < end && this.#state !== 'end') {
      if (this.#state === 'data') {
        const size = Math.min(this.#left, end - at)
        if (to === from) {
          from = at
          to = at
        }
        if (to !== at) buffer.copyWithin(to, at, at + size)
        to += size
        at += size
        this.#left -= size
        if (this.#left === 0) this.#state = 'data end'
      } else if (this.#state === 'extensions' || this.#state === 'trailers') {
        const lineStart = at
        while (at < end && buffer[at] !== lineFeed) at += 1
        const isWhole = at < end
        if (isWhole) at += 1
        this.#line += buffer.toString('latin1', lineStart, at)
        if (!(isWhole ? this.#takeLine() : this.#isRoomForMore())) return -1
      } else {
        if (!this.#takeByte(buffer[at] as number)) return -1
        at += 1
      }
    }
    if (to > from) handler.onData(buffer.subarray(from, to))
    return this.#state === 'end' ? at : end + 1
  }

  /** @returns false when it must not stand here */
  #takeByte(byte: number): boolean {
    switch (this.#state) {
      case 'size':
        return this.#takeSizeByte(byte)
      case 'size end':
        this.#state = this.#left === 0 ? 'trailers' : 'data'
        return byte === lineFeed
      case 'data end':
        this.#state = 'data line feed'
        return byte === carriageReturn
      default:
        this.#state = 'size'
        return byte === lineFeed
    }
  }

  #takeSizeByte(byte: number): boolean {
    const digit = hexadecimal(byte)
    if (digit !== -1) {
      this.#left = this.#left * 16 + digit
      this.#digits += 1
      return this.#digits <= maxSizeDigits
    }
    if (this.#digits === 0) return false
    this.#digits = 0
    if (byte === semicolon) {
      this.#line = ';'
      this.#state = 'extensions'
      return true
    }
    this.#state = 'size end'
    return byte === carriageReturn
  }

  #takeLine(): boolean {
    const line = this.#line
    this.#line = ''
    if (this.#state === 'extensions') {
      this.#extensionBytes += line.length
      this.#state = this.#left === 0 ? 'trailers' : 'data'
      return this.#extensionBytes <= maxExtensionBytes && extensions.test(line)
    }
    if (line !== '\r\n') {
      this.#trailerText += line
      return this.#trailerText.length <= maxTrailerBytes && line.endsWith('\r\n')
    }
    const trailers = readTrailers(this.#trailerText)
    if (trailers === undefined) return false
    this.#trailers = trailers
    this.#state = 'end'
    return true
  }

  #isRoomForMore(): boolean {
    return this.#state === 'extensions'
      ? this.#extensionBytes + this.#line.length <= maxExtensionBytes
      : this.#trailerText.length + this.#line.length <= maxTrailerBytes
  }
}

/** @returns -1 for anything but a hexadecimal digit */
function hexadecimal(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
