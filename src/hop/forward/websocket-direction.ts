import type { Socket } from 'node:net'
import { closeFrame, FrameBoundary } from './websocket-frames.ts'

/** What one end of a WebSocket says to the other: passed on byte for byte, and no faster than it is read. */
export class WebSocketDirection {
  readonly #from: Socket
  readonly #to: Socket
  readonly #role: 'client' | 'server'
  readonly #frames = new FrameBoundary()
  #goodbye: Buffer | undefined
  #isOver = false

  /** @param role of the end that is told */
  constructor(from: Socket, to: Socket, role: 'client' | 'server') {
    this.#from = from
    this.#to = to
    this.#role = role
    from.on('data', chunk => this.#pass(chunk as Buffer))
    from.once('end', () => this.#end())
    to.on('drain', () => from.resume())
    from.resume()
  }

  /** Whether a Close frame was passed on, or its beginning. */
  get hasClosed(): boolean {
    return this.#frames.hasClosed
  }

  /** Says goodbye as soon as no frame is under way, and passes nothing on any more. */
  close(code: number, reason: string): void {
    this.#goodbye ??= closeFrame(code, reason, this.#role)
    if (this.#frames.isBetweenFrames) this.#sayGoodbye()
  }

  #pass(chunk: Buffer): void {
    // What still comes is read, so that the end of the connection is noticed, and dropped.
    if (this.#isOver) return
    if (this.#goodbye === undefined) {
      this.#frames.pass(chunk)
      this.#write(chunk)
      return
    }
    this.#write(chunk.subarray(0, this.#frames.passFrame(chunk)))
    if (this.#frames.isBetweenFrames) this.#sayGoodbye()
  }

  #write(chunk: Buffer): void {
    if (!this.#to.write(chunk)) this.#from.pause()
  }

  #sayGoodbye(): void {
    if (this.#isOver) return
    // The frame that was waited for may itself have been a Close, and there is no second one.
    if (!this.hasClosed && this.#goodbye !== undefined) this.#to.write(this.#goodbye)
    this.#end()
    this.#from.resume()
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#to.end()
  }
}
