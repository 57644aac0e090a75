import { once } from 'node:events'
import type { Socket } from 'node:net'
import { deflateRawSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Denial } from '../support/attacked-hop.ts'
import { openRaw, requestRaw } from '../support/raw-client.ts'
import { bytesOf, type RawHop, rawRoutes, startRawHop } from '../support/raw-hop.ts'
import { startHop } from '../support/start-hop.ts'
import { until } from '../support/until.ts'
import { startUpstream } from '../support/upstream.ts'
import {
  closeOf,
  type Frame,
  handshakeAnswer,
  handshakeFields,
  opcodes,
  readFrames,
  writeFrame,
} from '../support/websocket-bytes.ts'
import { openWebSocket, startWebSocketService, type WebSocketService } from '../support/websocket-service.ts'
import { writeUntilStuck } from '../support/write-until-stuck.ts'

/**
 * A WebSocket is long: it outlives the moment in which its caller was looked at. Any page of the web may open one in the
 * name of whoever looks at it, and both ends may do with it what they like for as long as it is open. So where it may
 * come from is looked at before anything else, and it ends when its token ends, when the sidecar stops and when an end
 * is gone, whatever the ends make of that. What is in the frames is none of the sidecar's business, and costs it nothing.
 */

const originRefused: Denial = { code: 'request.origin', status: 403 }

const routes = `${rawRoutes}
  - { path: /pages, public: true, websocket: { origins: [https://app.test, 'https://[::1]:8443'] } }
  - { path: /live, audience: orders-api, scope: orders:read, websocket: { origins: [https://app.test] } }
  - { path: /open, public: true, websocket: true }
  - { path: /mine, audience: orders-api, websocket: true }`

let hop: RawHop

describe('E11: a page of another origin', () => {
  beforeEach(async () => {
    hop = await startRawHop({ routes })
  })
  afterEach(() => hop.close())

  const upgrade = (path: string, ...fields: readonly string[]): string =>
    bytesOf(`GET ${path}`, ...handshakeFields, ...fields)

  it.each([
    'https://evil.test',
    'http://app.test',
    'https://app.test:8443',
    'https://app.test:443',
    'https://app.test.evil.test',
    'https://evil.test/https://app.test',
    'https://evilapp.test',
    'https://app.test.',
    'https://app.test/',
    'https://app.test#',
    'https://user@app.test',
    'HTTPS://app.test',
    'https://APP.test',
    'https://app.test, https://evil.test',
    'https://app.test https://evil.test',
    'https://[::1]',
    'https://[0:0:0:0:0:0:0:1]:8443',
    'app.test',
    'null',
    '*',
    '',
  ])('E11 opens nothing from the origin "%s"', async origin => {
    await hop.expectRefused(upgrade('/pages', `Origin: ${origin}`), originRefused)
    await hop.expectRefused(
      upgrade('/live', `Authorization: Bearer ${hop.token}`, `Origin: ${origin}`),
      originRefused,
    )
  })

  it.each([
    ['a good one and another', ['Origin: https://app.test', 'Origin: https://evil.test']],
    ['another and a good one', ['Origin: https://evil.test', 'oRIGIN: https://app.test']],
    ['a good one twice', ['Origin: https://app.test', 'Origin: https://app.test']],
    ['a good one and an empty one', ['Origin: https://app.test', 'Origin:']],
  ])('E11 opens nothing from two origins, %s', async (_, fields) => {
    await hop.expectRefused(upgrade('/pages', ...fields), originRefused)
  })

  it('E11 is told so without a look at its token', async () => {
    await hop.expectRefused(upgrade('/live', 'Origin: https://evil.test'), originRefused)
    await hop.expectRefused(
      upgrade('/live', 'Origin: https://evil.test', 'Authorization: Bearer a.b.c'),
      originRefused,
    )
  })

  it.each([
    ['from an origin that is listed', ['Origin: https://app.test']],
    ['from another that is listed', ['Origin: https://[::1]:8443']],
    ['with blanks around it', ['Origin:  \t https://app.test ']],
    ['without an origin', []],
  ])('E11 opens %s', async (_, fields) => {
    hop.upstream.enqueue(handshakeAnswer)
    const socket = await openRaw(hop.port)
    socket.write(upgrade('/pages', ...fields))
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /)
    socket.destroy()
  })

  it('E11 is looked at for upgrades only: a request goes by its token', async () => {
    await hop.expectAdmitted(
      bytesOf('GET /orders/1', `Authorization: Bearer ${hop.token}`, 'Origin: https://evil.test'),
    )
    await hop.expectAdmitted(bytesOf('GET /pages', 'Origin: https://evil.test'))
  })
})

describe('pattern F08: what an end makes of odd frames', () => {
  const running: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.close()
  })

  /** A service that reads frames as the RFC says, and behind the sidecar a caller that writes what it likes. */
  async function startService(): Promise<{ readonly service: WebSocketService; readonly port: number }> {
    const perMessageDeflate = { threshold: 0 }
    const service = await startWebSocketService({ perMessageDeflate, maxPayload: 100_000 })
    const unused = await startUpstream()
    const gate = await startHop({ routes, upstream: { ...unused, url: service.url } })
    running.push(service, unused, gate)
    return { service, port: gate.port }
  }

  const masked = (frame: Partial<Frame> & Pick<Frame, 'opcode'>): Buffer =>
    writeFrame({ isMasked: true, ...frame })
  const hello = masked({ opcode: opcodes.text, payload: Buffer.from('hello') })
  const fragments = Array.from({ length: 100_000 }, (_, index) =>
    masked({
      opcode: index === 0 ? opcodes.text : opcodes.continuation,
      payload: Buffer.from('x'),
      isFinal: false,
    }),
  )
  const bomb = deflateRawSync(Buffer.alloc(20_000_000))

  it.each<[string, number, Buffer]>([
    ['reserved bits', 1002, masked({ opcode: opcodes.text, reserved: 7 })],
    ['no mask', 1002, writeFrame({ opcode: opcodes.text, payload: Buffer.from('x') })],
    ['an opcode that is none', 1002, masked({ opcode: 3 })],
    ['a long control frame', 1002, masked({ opcode: opcodes.ping, payload: Buffer.alloc(126) })],
    ['a control frame in pieces', 1002, masked({ opcode: opcodes.ping, isFinal: false })],
    [
      'a Close with a code that is none',
      1002,
      masked({ opcode: opcodes.close, payload: Buffer.from([3, 237]) }),
    ],
    ['text that is none', 1007, masked({ opcode: opcodes.text, payload: Buffer.from([0xff]) })],
    ['2^63 − 1 bytes', 1009, Buffer.from('82ff7fffffffffffffff00000000', 'hex')],
    ['a little that inflates to much', 1009, masked({ opcode: opcodes.binary, payload: bomb, reserved: 4 })],
    ['100,000 pieces of one byte', 1008, Buffer.concat(fragments)],
  ])('pattern F08 passes %s, and the answer with its code %s', async (_, code, bytes) => {
    const { service, port } = await startService()
    const caller = await openRaw(port)
    let received = Buffer.alloc(0)
    caller.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
    })
    const extension = 'Sec-WebSocket-Extensions: permessage-deflate'
    caller.write(Buffer.concat([Buffer.from(bytesOf('GET /open', ...handshakeFields, extension)), hello]))
    await until(() => service.ends[0]?.messages.length === 1, 'what is good before it')
    caller.write(bytes)
    await once(caller, 'close')
    const { frames, rest } = readFrames(received.subarray(received.indexOf('\r\n\r\n') + 4))
    expect(frames.map(frame => [frame.opcode, closeOf(frame).code])).toEqual([[opcodes.close, code]])
    expect(rest).toHaveLength(0)
    expect(service.ends[0]?.messages[0]?.data.toString()).toBe('hello')
    expect(service.ends[0]?.messages).toHaveLength(1)
  })

  it.each<[string, Buffer]>([
    ['a mask', masked({ opcode: opcodes.text, payload: Buffer.from('x') })],
    ['reserved bits', writeFrame({ opcode: opcodes.text, reserved: 7 })],
    ['an opcode that is none', writeFrame({ opcode: 3 })],
  ])('pattern F08 passes %s of an upstream, and the answer of the caller', async (_, bytes) => {
    const { service, port } = await startService()
    const caller = await openWebSocket(`http://127.0.0.1:${port}/open`, undefined)
    await until(() => service.ends.length === 1, 'the handshake')
    const upstream = service.ends[0] as WebSocketService['ends'][number]
    upstream.socket.send('hello')
    await until(() => caller.messages.length === 1, 'what is good before it')
    upstream.request.socket.write(bytes)
    expect(await upstream.closed).toMatchObject({ code: 1002 })
    expect(caller.errors).toHaveLength(1)
  })

  it.each([
    'permessage-deflate; server_max_window_bits=1000',
    'permessage-deflate; client_max_window_bits=7',
    'permessage-deflate; permessage-deflate; x=";"',
    'x, , ,',
  ])('pattern F08 leaves it to the upstream what to think of the extension %s', async extension => {
    const { service, port } = await startService()
    const request = bytesOf('GET /open', ...handshakeFields, `Sec-WebSocket-Extensions: ${extension}`)
    const answer = await requestRaw(port, request)
    expect([400, 101]).toContain(answer.status)
    expect(service.ends).toHaveLength(answer.status === 101 ? 1 : 0)
  })
})

describe('E11: ends that do not want to end', () => {
  const frame = writeFrame({ opcode: opcodes.binary, payload: Buffer.alloc(1_000_000), isMasked: true })
  let inner: Socket | undefined

  beforeEach(async () => {
    hop = await startRawHop({ routes, more: 'timeouts: { drain: 2s }' })
  })
  afterEach(() => hop.close())

  async function open(token = hop.token): Promise<Socket> {
    hop.upstream.enqueue((_request, socket) => {
      inner = socket
      socket.allowHalfOpen = true
      return handshakeAnswer
    })
    const socket = await openRaw(hop.port)
    socket.allowHalfOpen = true
    socket.write(bytesOf('GET /mine', `Authorization: Bearer ${token}`, ...handshakeFields))
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /)
    socket.resume()
    return socket
  }
  /** Not `once` of events, which takes a reset for a failure. */
  const closed = (socket: Socket): Promise<void> => until(() => socket.closed, 'the connection is closed')
  const tunnelled = (): Buffer => {
    const raw = hop.upstream.connections.find(one => one.raw.includes('GET /mine '))?.raw ?? Buffer.alloc(0)
    return raw.subarray(raw.indexOf('\r\n\r\n') + 4)
  }
  /** An end that stays half open notices that nobody is there when it writes. */
  const isUpstreamFree = (): boolean => {
    inner?.write('\0')
    return hop.upstream.connections.every(({ isOpen, raw }) => !isOpen || !raw.includes('GET /mine '))
  }

  it('E11 that go on sending after goodbye are heard no more, and are gone in a moment', async () => {
    const socket = await open()
    const ping = writeFrame({ opcode: opcodes.ping, isMasked: true })
    const talking = setInterval(() => socket.write(ping), 10)
    await until(() => tunnelled().length > 0, 'the first frame')
    await hop.sidecar.close()
    await closed(socket)
    clearInterval(talking)
    await until(isUpstreamFree, 'the upstream is free')
    const { frames, rest } = readFrames(tunnelled())
    expect(frames.slice(0, -1).every(({ opcode }) => opcode === opcodes.ping)).toBe(true)
    expect(closeOf(frames.at(-1) as Frame)).toEqual({ code: 1001, reason: 'going away' })
    expect(rest).toHaveLength(0)
  })

  it('E11 that draw out a frame do not outlast the grace when the sidecar stops', async () => {
    const socket = await open()
    socket.write(frame.subarray(0, 1_000))
    await until(() => tunnelled().length === 1_000, 'its beginning')
    const drawing = setInterval(() => socket.write('x'), 50)
    await hop.sidecar.close()
    await closed(socket)
    clearInterval(drawing)
    await until(isUpstreamFree, 'the upstream is free')
  })

  it('E11 that draw out a frame do not outlast their token', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 2
    const socket = await open(await hop.issuer.sign({ scope: 'orders:read', exp }))
    const drawing = setInterval(() => socket.write(frame.subarray(0, 10)), 50)
    await closed(socket)
    clearInterval(drawing)
    expect(Date.now() / 1_000).toBeGreaterThan(exp - 0.1)
    await until(isUpstreamFree, 'the upstream is free')
  })

  it('E11 that do not read do not outlast their token', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 2
    const socket = await open(await hop.issuer.sign({ scope: 'orders:read', exp }))
    socket.pause()
    if (inner === undefined) throw new Error('no upstream')
    const { isStuck } = await writeUntilStuck(
      inner,
      writeFrame({ opcode: opcodes.binary, payload: Buffer.alloc(65_536) }),
    )
    expect(isStuck).toBe(true)
    await until(isUpstreamFree, 'the upstream is free')
    expect(Date.now() / 1_000).toBeGreaterThan(exp - 0.1)
    socket.destroy()
  })
})
