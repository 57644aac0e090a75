import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { decodeFields, type Field } from './hpack.ts'
import { type Frame, flag, frame, frameType, setting, settingsFrame } from './http2-raw-client.ts'
import { until } from './until.ts'

/** A request as it arrived at a raw server. */
export interface RawRequest {
  readonly peer: RawPeer
  readonly streamId: number
  readonly fields: readonly Field[]
  /** The first value of a field. */
  header(name: string): string | undefined
}

/** One connection of a raw server. */
export interface RawPeer {
  readonly socket: Socket
  readonly frames: readonly Frame[]
  readonly isClosed: boolean
  send(...bytes: readonly Buffer[]): void
  /** The error code of the RST_STREAM that came for a stream. */
  reset(streamId: number): number | undefined
  /** The body that came on a stream, and whether its end did. */
  body(streamId: number): { readonly text: string; readonly isEnded: boolean }
}

/** A server that sends any frames at all, and keeps every frame that it receives. */
export interface Http2RawServer {
  readonly port: number
  readonly peers: readonly RawPeer[]
  readonly requests: readonly RawRequest[]
  /** Resolves with the request at `index` as soon as it is there. */
  request(index?: number): Promise<RawRequest>
  close(): Promise<void>
}

export interface RawServerOptions {
  readonly settings?: readonly (readonly [id: number, value: number])[]
  /** Called for each request. */
  readonly onRequest?: (request: RawRequest) => void
  /** Whether anything is sent unasked: SETTINGS, and answers to SETTINGS and PING. Default: it is. */
  readonly isSilent?: boolean
  /** Whether PING is answered. Default: it is. */
  readonly answersPings?: boolean
}

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** Starts one on a free port of loopback. */
export async function startHttp2RawServer(options: RawServerOptions = {}): Promise<Http2RawServer> {
  const peers: RawPeer[] = []
  const requests: RawRequest[] = []
  const server = createServer({ noDelay: true }, socket => {
    const frames: Frame[] = []
    let isClosed = false
    const peer: RawPeer = {
      socket,
      frames,
      get isClosed() {
        return isClosed
      },
      send: (...bytes) => void (socket.destroyed || socket.write(Buffer.concat(bytes))),
      reset: streamId =>
        frames
          .find(one => one.type === frameType.rstStream && one.streamId === streamId)
          ?.payload.readUInt32BE(0),
      body(streamId) {
        const own = frames.filter(one => one.streamId === streamId)
        return {
          text: Buffer.concat(
            own.filter(({ type }) => type === frameType.data).map(({ payload }) => payload),
          ).toString(),
          isEnded: own.some(one => hasEndStream(one)),
        }
      },
    }
    peers.push(peer)
    socket.on('error', () => {})
    socket.once('close', () => {
      isClosed = true
    })
    if (options.isSilent !== true) {
      // Without a dynamic table, so that header sections can be read.
      socket.write(settingsFrame([[setting.headerTableSize, 0], ...(options.settings ?? [])]))
    }
    let rest = Buffer.alloc(0)
    let isOpen = false
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      if (!isOpen) {
        if (rest.length < preface.length) return
        if (rest.toString('latin1', 0, preface.length) !== preface) throw new Error('no HTTP/2 preface')
        rest = rest.subarray(preface.length)
        isOpen = true
      }
      for (let one = takeFrame(rest); one !== undefined; one = takeFrame(rest)) {
        rest = rest.subarray(9 + one.payload.length)
        frames.push(one)
        onFrame(peer, one)
      }
    })
  })

  const onFrame = (peer: RawPeer, one: Frame): void => {
    const isAck = (one.flags & flag.ack) !== 0
    if (options.isSilent !== true) {
      if (one.type === frameType.settings && !isAck) peer.send(frame(frameType.settings, flag.ack, 0))
      if (one.type === frameType.ping && !isAck && options.answersPings !== false)
        peer.send(frame(frameType.ping, flag.ack, 0, one.payload))
    }
    if (
      one.type !== frameType.headers ||
      requests.some(({ peer: its, streamId }) => its === peer && streamId === one.streamId)
    )
      return
    const fields = decodeFields(one.payload)
    const header = (name: string): string | undefined => fields.find(field => field[0] === name)?.[1]
    const request: RawRequest = { peer, streamId: one.streamId, fields, header }
    requests.push(request)
    options.onRequest?.(request)
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    peers,
    requests,
    async request(index = 0) {
      await until(() => requests.length > index, `request ${index}`)
      return requests[index] as RawRequest
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const { socket } of peers) socket.destroy()
      }),
  }
}

/** The bytes of a GOAWAY frame. */
export function goawayFrame(lastStreamId: number, code = 0): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeUInt32BE(lastStreamId, 0)
  payload.writeUInt32BE(code, 4)
  return frame(frameType.goaway, 0, 0, payload)
}

function hasEndStream({ type, flags }: Frame): boolean {
  return (type === frameType.data || type === frameType.headers) && (flags & flag.endStream) !== 0
}

function takeFrame(bytes: Buffer): Frame | undefined {
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
