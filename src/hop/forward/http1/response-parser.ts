import type { ResponseHandler } from '../upstream-client.ts'
import { ChunkedDecoder } from './chunked-decoder.ts'
import { chunked, type ResponseHead, readResponseHead, untilClose } from './response-head.ts'

/** Longest head of a response, in bytes. */
const maxHeadBytes = 64 * 1_024
/** Most heads fit in this, and a body that came with one is not turned into text for nothing. */
const usualHeadBytes = 2_048
/** Interim responses before the final one; more is an attack. */
const maxInterim = 32

/** What the bytes so far amount to: the response goes on, has ended, or is none. */
export type Progress = 'more' | 'end' | 'malformed'

const noTrailers: readonly string[] = []

/**
 * Reads the response to one request from the bytes of a connection, and hands it over piece by piece. One parser is
 * used for all responses of a connection, one after the other.
 */
export class ResponseParser {
  #handler: ResponseHandler | undefined
  #isHead = false
  #state: 'length' | 'chunked' | 'until close' = 'length'
  #pending = ''
  #left = 0
  #interim = 0
  #decoder: ChunkedDecoder | undefined
  #trailers: readonly string[] = noTrailers
  #head: ResponseHead | undefined
  #reason = ''
  #rest = 0

  /** The head of the response, once it was read. */
  get head(): ResponseHead | undefined {
    return this.#head
  }

  /** Why it is malformed. */
  get reason(): string {
    return this.#reason
  }

  /** Bytes behind the end of the response, which nobody asked for. */
  get rest(): number {
    return this.#rest
  }

  get trailers(): readonly string[] {
    return this.#trailers
  }

  /** Whether not one byte of the response has come. */
  get isUntouched(): boolean {
    return this.#head === undefined && this.#pending === '' && this.#interim === 0
  }

  /** Begins with the response to the next request. */
  begin(handler: ResponseHandler, isHead: boolean): void {
    this.#handler = handler
    this.#isHead = isHead
    this.#state = 'length'
    this.#pending = ''
    this.#interim = 0
    this.#trailers = noTrailers
    this.#head = undefined
  }

  /** Hands nothing over any more. */
  stop(): void {
    this.#handler = undefined
  }

  /** Reads the next bytes: the first `size` of the buffer. */
  read(buffer: Buffer, size: number): Progress {
    let at = 0
    while (this.#head === undefined) {
      at = this.#readHead(buffer, at, size)
      if (at === -1) return 'malformed'
      if (at > size) return 'more'
    }
    if (this.#state === 'length' && this.#left === 0) return this.#ended(size - at)
    const handler = this.#handler
    if (handler === undefined || at === size) return 'more'
    switch (this.#state) {
      case 'length': {
        const taken = Math.min(this.#left, size - at)
        this.#left -= taken
        handler.onData(buffer.subarray(at, at + taken))
        return this.#left === 0 ? this.#ended(size - at - taken) : 'more'
      }
      case 'chunked': {
        const decoder = this.#decoder as ChunkedDecoder
        at = decoder.decode(buffer, at, size, handler)
        if (at === -1) return this.#malformed('a body that is not chunked as it says')
        if (at > size) return 'more'
        this.#trailers = decoder.trailers
        return this.#ended(size - at)
      }
      default:
        handler.onData(buffer.subarray(at, size))
        return 'more'
    }
  }

  /** The connection has ended. Only a response that says nothing of its length ends with it. */
  readEnd(): Progress {
    return this.#state === 'until close' ? this.#ended(0) : 'malformed'
  }

  /** @returns where the head ended; past `size` when it goes on; -1 when it is malformed */
  #readHead(buffer: Buffer, start: number, size: number): number {
    let text = ''
    let end = -1
    for (const limit of [usualHeadBytes, maxHeadBytes]) {
      text = this.#pending + buffer.toString('latin1', start, Math.min(size, start + limit))
      end = text.indexOf('\r\n\r\n', Math.max(0, this.#pending.length - 3))
      if (end !== -1 || size - start <= limit) break
    }
    if (end > maxHeadBytes || (end === -1 && text.length > maxHeadBytes))
      return this.#fail('a head that is too large')
    if (end === -1) {
      if (!mayBecomeHead(text)) return this.#fail('no HTTP/1.1 response')
      this.#pending = text
      return size + 1
    }
    const at = start + end + 4 - this.#pending.length
    this.#pending = ''
    const head = readResponseHead(text.slice(0, end), this.#isHead)
    if (typeof head === 'string') return this.#fail(head)
    return head.status < 200 ? this.#takeInterim(head, at) : this.#takeFinal(head, at)
  }

  #takeInterim(head: ResponseHead, at: number): number {
    if (head.status === 101) return this.#fail('a switch to a protocol that nobody asked for')
    this.#interim += 1
    if (this.#interim > maxInterim) return this.#fail('too many interim responses')
    if (head.status !== 100) this.#handler?.onInformation(head.status, head.fields)
    return at
  }

  #takeFinal(head: ResponseHead, at: number): number {
    this.#head = head
    this.#left = Math.max(0, head.bodyLength)
    this.#state = 'length'
    if (head.bodyLength === chunked) {
      this.#state = 'chunked'
      this.#decoder = new ChunkedDecoder()
    } else if (head.bodyLength === untilClose) {
      this.#state = 'until close'
    }
    this.#handler?.onHead(head.status, head.phrase, head.fields)
    return at
  }

  #ended(rest: number): 'end' {
    this.#rest = rest
    return 'end'
  }

  #fail(reason: string): -1 {
    this.#reason = reason
    return -1
  }

  #malformed(reason: string): 'malformed' {
    this.#reason = reason
    return 'malformed'
  }
}

const start = 'HTTP/1.'

/** Whether more bytes could make a head of it: who says something else is not waited for until the time is over. */
function mayBecomeHead(text: string): boolean {
  const isBegun = text.length < start.length ? start.startsWith(text) : text.startsWith(start)
  return isBegun && !/(?:^|[^\r])\n/.test(text)
}
