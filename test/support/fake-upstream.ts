import type { OnReadOpts, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Connect } from '../../src/hop/forward/connect.ts'

/** A socket to an upstream that a test plays itself: nothing happens on it that the test does not make happen. */
export class FakeSocket extends Duplex {
  /** What was written, as Latin-1. */
  written = ''
  /** Whether the system would be asked for what upstream sends. */
  isReading = true
  /** Whether the system takes what is written. */
  isTaking = true
  readonly #onread: OnReadOpts
  #untaken: (() => void) | undefined

  constructor(onread: OnReadOpts) {
    super({ allowHalfOpen: false, highWaterMark: 1_024 })
    this.#onread = onread
  }

  /** The connection is there. */
  opens(): this {
    if (!this.destroyed) this.emit('connect')
    return this
  }

  /** Upstream sends bytes, which come with one read. */
  sends(text: string): this {
    if (this.destroyed) return this
    const { buffer, callback } = this.#onread
    if (!(buffer instanceof Uint8Array)) throw new TypeError('the test reads into one buffer')
    const size = Buffer.from(text, 'latin1').copy(buffer)
    callback(size, buffer)
    buffer.fill(0x2a, 0, size)
    return this
  }

  /** Upstream ends its half of the connection. */
  ends(): this {
    if (!this.destroyed) this.push(null)
    this.read(0)
    return this
  }

  /** The connection is lost, with an error or without a word. */
  breaks(code?: string): this {
    this.destroy(code === undefined ? undefined : Object.assign(new Error(code), { code }))
    return this
  }

  /** The system takes what it has not taken so far. */
  takes(): void {
    this.isTaking = true
    this.#untaken?.()
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString('latin1')
    if (this.isTaking) done()
    else this.#untaken = done
  }

  override pause(): this {
    this.isReading = false
    return this
  }

  override resume(): this {
    this.isReading = true
    return this
  }
}

/** An upstream that a test plays itself. */
export interface FakeUpstream {
  readonly connect: Connect
  /** In the order in which they were opened. */
  readonly sockets: readonly FakeSocket[]
  /** The one at `index`; counted from the end when negative. */
  socket(index: number): FakeSocket
}

export function createFakeUpstream(): FakeUpstream {
  const sockets: FakeSocket[] = []
  return {
    sockets,
    connect(onread) {
      if (onread === undefined) throw new TypeError('the test reads into one buffer')
      const socket = new FakeSocket(onread)
      sockets.push(socket)
      return { socket: socket as unknown as Socket, readyEvent: 'connect' }
    },
    socket(index) {
      const socket = sockets.at(index)
      if (socket === undefined) throw new Error(`no connection ${index}; there are ${sockets.length}`)
      return socket
    },
  }
}

/** Lets the event loop go round. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
