import { randomBytes } from 'node:crypto'

/** The handshake of RFC 6455 §1.3, and the answer that it gives there. */
export const handshakeFields: readonly string[] = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
export const handshakeAnswer =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

/** A frame of a WebSocket, with whatever a test wants to be wrong about it. */
export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
  readonly isFinal: boolean
  readonly isMasked: boolean
  /** The three reserved bits, as a number. */
  readonly reserved: number
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** The bytes of a frame (RFC 6455 §5.2), by default final, without mask and reserved bits. */
export function writeFrame(frame: Partial<Frame> & Pick<Frame, 'opcode'>): Buffer {
  const { opcode, payload = Buffer.alloc(0), isFinal = true, isMasked = false, reserved = 0 } = frame
  const mask = isMasked ? randomBytes(4) : Buffer.alloc(0)
  const second = isMasked ? 0x80 : 0
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode
  const hidden = isMasked ? payload.map((byte, index) => byte ^ (mask[index % 4] as number)) : payload
  return Buffer.concat([Buffer.from([first]), writeLength(payload.length, second), mask, hidden])
}

function writeLength(length: number, second: number): Buffer {
  if (length < 126) return Buffer.from([second | length])
  const long = Buffer.alloc(length < 65_536 ? 3 : 9)
  long[0] = second | (length < 65_536 ? 126 : 127)
  if (length < 65_536) long.writeUInt16BE(length, 1)
  else long.writeBigUInt64BE(BigInt(length), 1)
  return long
}

/** The frames in some bytes, unmasked, and the bytes of one that has begun behind them. */
export function readFrames(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = []
  let rest = bytes
  for (let read = readFrame(rest); read !== undefined; read = readFrame(rest)) {
    frames.push(read.frame)
    rest = rest.subarray(read.size)
  }
  return { frames, rest }
}

function readFrame(bytes: Buffer): { readonly frame: Frame; readonly size: number } | undefined {
  const [first = 0, second = 0] = bytes
  const short = second & 0x7f
  const maskAt = short === 127 ? 10 : short === 126 ? 4 : 2
  const isMasked = (second & 0x80) !== 0
  const start = maskAt + (isMasked ? 4 : 0)
  if (bytes.length < start) return undefined
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
  const size = start + length
  if (bytes.length < size) return undefined
  const mask = bytes.subarray(maskAt, start)
  const hidden = bytes.subarray(start, size)
  const payload = isMasked ? hidden.map((byte, index) => byte ^ (mask[index % 4] as number)) : hidden
  const isFinal = (first & 0x80) !== 0
  const reserved = (first >> 4) & 7
  return { frame: { opcode: first & 0x0f, payload: Buffer.from(payload), isFinal, isMasked, reserved }, size }
}

/** What a Close frame says. */
export function closeOf({ payload }: Frame): { readonly code: number; readonly reason: string } {
  return { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() }
}
