import type { ResponseHandler } from '../upstream-client.ts'
import { ChunkedDecoder } from './chunked-decoder.ts'
import { chunked, type ResponseHead, readResponseHead, untilClose } from './response-head.ts'

/** Longest head of a response, in bytes. */
const maxHeadBytes = 64 * 1_024
/** Most heads fit in this, and a body that came with one is not turned into text for nothing. */
const usualHeadBytes = 2_048
/** Interim responses before the final one; more is an attack. */
const maxInterim = 32
const emptyLine = '\r\n\r\n'
const beginning = 'HTTP/1.'
/** What no head goes on with: control characters, and half of a line end. */
const noHead = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|[^\r]\n|\r[^\n]/

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
  #state: 'head' | 'length' | 'chunked' | 'until close' | 'stopped' = 'stopped'
  /** The head as far as it has come. Looking into it costs its length each time, so only its end is looked at. */
  #pending = ''
  #pendingEnd = ''
  #left = 0
  #interim = 0
  #decoder: ChunkedDecoder | undefined
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
    return this.#decoder?.trailers ?? noTrailers
  }

  /** Whether the beginning of a head has come, and not yet its end. */
  get isWithinHead(): boolean {
    return this.#pending !== ''
  }

  /** Begins with the response to the next request. */
  begin(handler: ResponseHandler, isHead: boolean): void {
    this.#handler = handler
    this.#isHead = isHead
    this.#state = 'head'
    this.#interim = 0
  }

  /** Hands nothing over any more, also of what is being read, and forgets the response. */
  stop(): void {
    this.#handler = undefined
    this.#state = 'stopped'
    this.#forgetPending()
    this.#decoder = undefined
    this.#head = undefined
  }

  /**
   * Reads the next bytes: the first `size` of the buffer, within which data is moved. Malformed bytes are not handed
   * over, though what came before them may have been.
   */
  read(buffer: Buffer, size: number): Progress {
    let at = 0
    while (this.#state === 'head') {
      at = this.#readHead(buffer, at, size)
      if (at === -1) return 'malformed'
      if (at > size) return 'more'
    }
    switch (this.#state) {
      case 'length': {
        const taken = Math.min(this.#left, size - at)
        this.#left -= taken
        // First, because the handler may stop all this.
        const isEnd = this.#left === 0
        this.#rest = size - at - taken
        if (taken > 0) this.#handler?.onData(buffer.subarray(at, at + taken))
        return isEnd ? 'end' : 'more'
      }
      case 'chunked': {
        const decoder = this.#decoder as ChunkedDecoder
        at = decoder.decode(buffer, at, size, this.#handler as ResponseHandler)
        if (at === -1) return this.#malformed('a body that is not chunked as it says')
        this.#rest = Math.max(0, size - at)
        return at > size ? 'more' : 'end'
      }
      case 'until close':
        if (at < size) this.#handler?.onData(buffer.subarray(at, size))
        return 'more'
      default:
        return 'more'
    }
  }

  /** The connection has ended. Only a response that says nothing of its length ends with it. */
  readEnd(): Progress {
    this.#rest = 0
    return this.#state === 'until close' ? 'end' : 'malformed'
  }

  /** @returns where the head ended; past `size` when it goes on; -1 when it is malformed */
  #readHead(buffer: Buffer, start: number, size: number): number {
    // The empty line may have begun in what came before.
    const seam = this.#pendingEnd
    let limit = usualHeadBytes
    let text = seam + buffer.toString('latin1', start, Math.min(size, start + limit))
    let end = text.indexOf(emptyLine)
    if (end === -1 && size - start > limit) {
      limit = maxHeadBytes
      text = seam + buffer.toString('latin1', start, Math.min(size, start + limit))
      end = text.indexOf(emptyLine)
    }
    const before = this.#pending.length - seam.length
    if (before + (end === -1 ? text.length : end) > maxHeadBytes)
      return this.#fail('a head that is too large')
    if (end === -1) return this.#keep(text, seam) ? size + 1 : this.#fail('no head of an HTTP/1.1 response')
    const whole = seam === '' ? text : this.#pending + text.slice(seam.length)
    this.#forgetPending()
    const head = readResponseHead(whole.slice(0, before + end), this.#isHead)
    if (typeof head === 'string') return this.#fail(head)
    const at = start + end + emptyLine.length - seam.length
    return head.status < 200 ? this.#takeInterim(head, at) : this.#takeFinal(head, at)
  }

  /** @returns false when no head can come of it: who sends such a thing may wait for an answer */
  #keep(text: string, seam: string): boolean {
    if (noHead.test(text)) return false
    const isJustBegun = this.#pending.length < beginning.length
    this.#pending += text.slice(seam.length)
    this.#pendingEnd = text.slice(1 - emptyLine.length)
    return !isJustBegun || beginning.startsWith(this.#pending.slice(0, beginning.length))
  }

  #forgetPending(): void {
    this.#pending = ''
    this.#pendingEnd = ''
  }

  #takeInterim(head: ResponseHead, at: number): number {
    if (head.status === 101) return this.#fail('a switch to a protocol that nobody asked for')
    // HTTP/1.0 has none, and what ends the connection is not followed by anything.
    if (!head.isPersistent) return this.#fail('an interim response that is the last one')
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

  #fail(reason: string): -1 {
    this.#reason = reason
    return -1
  }

  #malformed(reason: string): 'malformed' {
    this.#reason = reason
    return 'malformed'
  }
}
