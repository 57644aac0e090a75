import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { decodeFields, encodeFields, type Field } from './hpack.ts'
import { until } from './until.ts'

/** A frame of HTTP/2 (RFC 9113 §4.1). */
export interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const flag = { none: 0, ack: 1, endStream: 1, endHeaders: 4, padded: 8 } as const

/** Error codes (RFC 9113 §7). */
export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const

/** The bytes of a frame. Nothing is checked: the length may be told wrong. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, payload])
}

/** A whole header section in one frame. */
export function headersFrame(
  streamId: number,
  fields: readonly Field[],
  end: 'end' | 'more' = 'end',
): Buffer {
  const flags = flag.endHeaders | (end === 'end' ? flag.endStream : 0)
  return frame(frameType.headers, flags, streamId, encodeFields(fields))
}

export function dataFrame(streamId: number, data: string | Buffer, end: 'end' | 'more' = 'end'): Buffer {
  return frame(frameType.data, end === 'end' ? flag.endStream : 0, streamId, Buffer.from(data))
}

export function rstStreamFrame(streamId: number, code: number = errorCode.cancel): Buffer {
  return frame(frameType.rstStream, 0, streamId, uint32(code))
}

export function windowUpdateFrame(streamId: number, increment: number): Buffer {
  return frame(frameType.windowUpdate, 0, streamId, uint32(increment))
}

export function pingFrame(payload = Buffer.alloc(8)): Buffer {
  return frame(frameType.ping, 0, 0, payload)
}

/** Settings by their number (RFC 9113 §6.5.2). */
export const setting = { headerTableSize: 1, enablePush: 2, initialWindowSize: 4, maxFrameSize: 5 } as const

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const entries = settings.map(([id, value]) => Buffer.concat([Buffer.of(id >> 8, id & 0xff), uint32(value)]))
  return frame(frameType.settings, 0, 0, Buffer.concat(entries))
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** The pseudo-header fields of a request that nobody objects to, and what is to follow or replace them. */
export function requestFields(
  more: readonly Field[] = [],
  { method = 'GET', path = '/public/1', authority = 'orders.test' } = {},
): Field[] {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', authority], ...more]
}

/** What became of a stream. */
export interface Http2Answer {
  /** 0 when there was no response. */
  readonly status: number
  /** Of interim responses, in order. */
  readonly interim: readonly (readonly Field[])[]
  readonly fields: readonly Field[]
  readonly trailers: readonly Field[]
  readonly text: string
  /** Whether its end came. */
  readonly complete: boolean
  /** The error code of RST_STREAM. */
  readonly reset: number | undefined
  /** The first value of a field. */
  header(name: string): string | undefined
}

/** A client that sends any frames at all, and keeps every frame that it receives. */
export interface Http2RawClient {
  readonly socket: Socket
  readonly frames: readonly Frame[]
  readonly isClosed: boolean
  send(...bytes: readonly Buffer[]): void
  /** Resolves when the stream has ended, was reset, or the connection is gone. */
  answer(streamId: number): Promise<Http2Answer>
  /** Resolves with the error code and the last stream of the first GOAWAY; rejects when none comes. */
  goaway(): Promise<{ readonly code: number; readonly lastStreamId: number }>
  /** Resolves when the server has closed the connection; rejects when it stays. */
  closed(): Promise<void>
  destroy(): void
}

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

export interface Http2RawOptions {
  /** Sent behind the preface. The table size must stay 0, or the answers cannot be read. */
  readonly settings?: readonly (readonly [id: number, value: number])[]
  /** Bytes instead of preface and settings. */
  readonly opening?: Buffer
  /** Whether SETTINGS of the server are acknowledged. Default: they are. */
  readonly acknowledge?: boolean
  /** Connects in another way, such as with TLS. */
  readonly socket?: Socket
}

/** Opens a connection and sends the preface. */
export async function connectHttp2(port: number, options: Http2RawOptions = {}): Promise<Http2RawClient> {
  const socket = options.socket ?? connect({ port, host: '127.0.0.1', noDelay: true })
  if (options.socket === undefined) await once(socket, 'connect')
  const frames: Frame[] = []
  let rest = Buffer.alloc(0)
  let isClosed = false
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (let found = readFrame(rest); found !== undefined; found = readFrame(rest)) {
      rest = rest.subarray(9 + found.payload.length)
      frames.push(found)
      const isSettings = found.type === frameType.settings && (found.flags & flag.ack) === 0
      if (isSettings && options.acknowledge !== false) socket.write(frame(frameType.settings, flag.ack, 0))
    }
  })
  const opening = [
    Buffer.from(preface),
    settingsFrame([[setting.headerTableSize, 0], ...(options.settings ?? [])]),
  ]
  socket.write(options.opening ?? Buffer.concat(opening))

  const isOver = (streamId: number): boolean =>
    frames.some(
      one =>
        one.streamId === streamId &&
        (one.type === frameType.rstStream || (isBlockOrData(one) && (one.flags & flag.endStream) !== 0)),
    )
  return {
    socket,
    frames,
    get isClosed() {
      return isClosed
    },
    send(...bytes) {
      socket.write(Buffer.concat(bytes))
    },
    async answer(streamId) {
      await until(() => isOver(streamId) || isClosed, `the end of stream ${streamId}`)
      return readAnswer(frames.filter(one => one.streamId === streamId))
    },
    async goaway() {
      const find = (): Frame | undefined => frames.find(one => one.type === frameType.goaway)
      await until(() => find() !== undefined || isClosed, 'GOAWAY')
      const payload = find()?.payload
      if (payload === undefined) throw new Error('the connection was closed without GOAWAY')
      return { lastStreamId: payload.readUInt32BE(0), code: payload.readUInt32BE(4) }
    },
    closed: () => until(() => isClosed, 'the end of the connection'),
    destroy: () => socket.destroy(),
  }
}

function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 9) return undefined
  const length = bytes.readUIntBE(0, 3)
  if (bytes.length < 9 + length) return undefined
  return {
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    streamId: bytes.readUInt32BE(5) & 0x7fffffff,
    payload: bytes.subarray(9, 9 + length),
  }
}

function isBlockOrData({ type }: Frame): boolean {
  return type === frameType.headers || type === frameType.data
}

function readAnswer(frames: readonly Frame[]): Http2Answer {
  const sections: Field[][] = []
  let block: Buffer[] = []
  for (const { type, flags, payload } of frames) {
    if (type !== frameType.headers && type !== frameType.continuation) continue
    block.push(payload)
    if ((flags & flag.endHeaders) === 0) continue
    sections.push(decodeFields(Buffer.concat(block)))
    block = []
  }
  const isInterim = (section: readonly Field[]): boolean => section[0]?.[1].startsWith('1') ?? false
  const [fields = [], trailers = []] = sections.filter(section => !isInterim(section))
  const body = frames.filter(({ type }) => type === frameType.data).map(({ payload }) => payload)
  const reset = frames.find(({ type }) => type === frameType.rstStream)?.payload.readUInt32BE(0)
  return {
    status: Number(fields.find(([name]) => name === ':status')?.[1] ?? 0),
    interim: sections.filter(isInterim),
    fields,
    trailers,
    text: Buffer.concat(body).toString('utf8'),
    complete: frames.some(one => isBlockOrData(one) && (one.flags & flag.endStream) !== 0),
    reset,
    header: name => fields.find(field => field[0] === name)?.[1],
  }
}
