import { randomBytes } from 'node:crypto'

/** Why an endpoint closes (RFC 6455 §7.4.1). */
export const closeCode = { goingAway: 1001, policyViolation: 1008 } as const

const closeOpcode = 0x8
const lastFragment = 0x80
const masked = 0x80

/**
 * Follows the frames of one direction of a WebSocket (RFC 6455 §5.2) without touching them: it knows where a frame ends,
 * so that a frame of one's own can be put behind it. Extensions change what frames carry, not where they end.
 */
export class FrameBoundary {
  /** The header of the frame that has begun, as far as it has come: at most 14 bytes. */
  readonly #header = Buffer.alloc(14)
  #headerBytes = 0
  #payloadLeft = 0
  #hasClosed = false

  /** Whether nothing of a frame is under way. */
  get isBetweenFrames(): boolean {
    return this.#headerBytes === 0 && this.#payloadLeft === 0
  }

  /** Whether a Close frame went by: nothing may follow it. */
  get hasClosed(): boolean {
    return this.#hasClosed
  }

  /** Takes note of the next bytes. */
  pass(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) at = this.#step(chunk, at)
  }

  /** Takes note of the next bytes up to the end of the frame under way. @returns how many that are */
  passFrame(chunk: Buffer): number {
    let at = 0
    while (at < chunk.length && !this.isBetweenFrames) at = this.#step(chunk, at)
    return at
  }

  /** Takes note of what there is of a payload, or of one byte of a header. @returns where it goes on */
  #step(chunk: Buffer, at: number): number {
    if (this.#payloadLeft > 0) {
      const length = Math.min(this.#payloadLeft, chunk.length - at)
      this.#payloadLeft -= length
      return at + length
    }
    this.#header[this.#headerBytes] = chunk[at] as number
    this.#headerBytes += 1
    if (this.#headerBytes === this.#headerLength()) this.#begin()
    return at + 1
  }

  #headerLength(): number {
    if (this.#headerBytes < 2) return 2
    const second = this.#header[1] as number
    const length = second & 0x7f
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & masked ? 4 : 0)
  }

  #begin(): void {
    const length = (this.#header[1] as number) & 0x7f
    // A length past 2^53 is not exact. No frame of that size ever ends.
    this.#payloadLeft =
      length === 126
        ? this.#header.readUInt16BE(2)
        : length === 127
          ? Number(this.#header.readBigUInt64BE(2))
          : length
    if (((this.#header[0] as number) & 0x0f) === closeOpcode) this.#hasClosed = true
    this.#headerBytes = 0
  }
}

/**
 * A Close frame (RFC 6455 §5.5.1).
 *
 * @param reason at most 123 bytes
 * @param to a server gets frames masked, a client gets them plain (§5.1)
 */
export function closeFrame(code: number, reason: string, to: 'client' | 'server'): Buffer {
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])
  if (to === 'client')
    return Buffer.concat([Buffer.from([lastFragment | closeOpcode, payload.length]), payload])
  const mask = randomBytes(4)
  const hidden = payload.map((byte, index) => byte ^ (mask[index % 4] as number))
  return Buffer.concat([Buffer.from([lastFragment | closeOpcode, masked | payload.length]), mask, hidden])
}
