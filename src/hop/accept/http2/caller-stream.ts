import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Caller } from '../../../base/http-caller.ts'
import { Http2Request } from './http2-request.ts'
import { Http2Response } from './http2-response.ts'
import type { RequestHead } from './request-head.ts'

/** One stream as the caller's side of a request. */
export class CallerStream implements Caller {
  readonly received: Http2Request
  readonly response: Http2Response
  readonly #stream: ServerHttp2Stream
  /** Bytes that moved in either direction when it was looked at last, and when there were more than before. */
  #bytes = 0
  #movedMs: number

  constructor(stream: ServerHttp2Stream, head: RequestHead, socket: Socket, nowMs: number) {
    this.#stream = stream
    this.#movedMs = nowMs
    this.received = new Http2Request(stream, head, socket)
    this.response = new Http2Response(stream, this.received)
    // Whoever reads and writes is told by `close`.
    stream.on('error', () => {})
  }

  /**
   * Cuts the stream off when nothing has moved on it for too long. Frames that carry nothing of it do not count, so
   * that a caller with a closed window cannot hold an answer for ever. An answer moves by the pieces that it was read
   * in.
   */
  check(nowMs: number, idleMs: number): void {
    const bytes = this.received.bytes + this.response.bytes - this.#stream.bufferSize
    if (bytes !== this.#bytes || this.#isAwaitingUpstream()) {
      this.#bytes = bytes
      this.#movedMs = nowMs
    } else if (nowMs - this.#movedMs >= idleMs) {
      this.response.destroy()
    }
  }

  /** Who has sent a whole request and been told nothing waits for the upstream, which has a limit of its own. */
  #isAwaitingUpstream(): boolean {
    return !this.response.headersSent && this.#stream.state.remoteClose === 1
  }
}
