import { connect, type Socket } from 'node:net'

/** Called once for each request. Status 0 stands for no answer. */
type Done = (status: number, isReusable: boolean) => void

/** As much of an HTTP/1.1 client as a load needs: one request at a time, answers with `Content-Length`. */
export class HttpConnection {
  readonly connected: Promise<void>
  readonly #socket: Socket
  #done: Done | undefined
  #head = ''
  #status = 0
  #isReusable = true
  /** Bytes of the answer that are still to come; negative while its head is not complete. */
  #remaining = -1

  constructor(port: number) {
    const opened = Promise.withResolvers<void>()
    this.connected = opened.promise
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      // One buffer for all answers: what is read is used at once.
      onread: {
        buffer: Buffer.allocUnsafe(64 * 1024),
        callback: (bytes, buffer) => this.#read(bytes, buffer),
      },
    })
    this.#socket.once('connect', opened.resolve)
    this.#socket.once('error', opened.reject)
    // Whoever waits for the connection hears of it; for others the end of the request is enough.
    opened.promise.catch(() => {})
    this.#socket.once('close', () => this.#finish(0, false))
  }

  send(request: Buffer, done: Done): void {
    this.#done = done
    this.#remaining = -1
    this.#head = ''
    this.#socket.write(request)
  }

  #read(bytes: number, buffer: Uint8Array): boolean {
    if (this.#remaining >= 0) {
      this.#remaining -= bytes
    } else {
      this.#head += Buffer.from(buffer.buffer, buffer.byteOffset, bytes).toString('latin1')
      const end = this.#head.indexOf('\r\n\r\n')
      if (end === -1) return true
      const head = this.#head.slice(0, end)
      this.#status = Number(head.slice(9, 12))
      this.#isReusable = !/\r\nconnection: *close/i.test(head)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      this.#remaining = end + 4 + length - this.#head.length
    }
    if (this.#remaining === 0) this.#finish(this.#status, this.#isReusable)
    return true
  }

  #finish(status: number, isReusable: boolean): void {
    const done = this.#done
    this.#done = undefined
    if (!isReusable) this.#socket.destroy()
    done?.(status, isReusable)
  }
}
