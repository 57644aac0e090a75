import { once } from 'node:events'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { queryObjects } from 'node:v8'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Http2Connection } from '../../src/hop/accept/http2/http2-connection.ts'
import { canMakeCertificates, createCertificate, withCertificates } from '../support/certificate.ts'
import { connectAltered } from '../support/client-hello.ts'
import { encodeFields, encodeIndexed, encodeRemembered, type Field } from '../support/hpack.ts'
import { continuationFrame, type Http2Hop, repeat, startHttp2Hop } from '../support/http2-hop.ts'
import {
  connectHttp2,
  dataFrame,
  errorCode,
  flag,
  frame,
  frameType,
  type Http2RawClient,
  headersFrame,
  pingFrame,
  requestFields,
  rstStreamFrame,
  setting,
  settingsFrame,
  windowUpdateFrame,
} from '../support/http2-raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { writeTlsFiles } from '../support/tls.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'

/**
 * Frames of a few bytes that cost whoever gets them much more: a call to the upstream, an exchange, memory, an answer
 * that waits to be read. And bytes that are no frames, which must end one connection and not the process.
 */

/** The number of the request at `index` of a connection. */
const idAt = (index: number): number => 2 * index + 1

/** Connections that the sidecar still knows, after everything that nobody holds was collected. */
const countConnections = (): number => queryObjects(Http2Connection, { format: 'count' })

/** Sockets of this process, the sidecar's as well as the test's. */
const countSockets = (): number =>
  process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap' || name === 'TLSWrap').length

/** What there is before an attack. Walking the heap takes its time: only tests that are about memory do it. */
interface Left {
  readonly sockets: number
  readonly connections?: number
}

const countLeft = (): Left => ({ connections: countConnections(), sockets: countSockets() })

/** Asserts that nothing more is left than there was. */
async function expectFreed({ sockets, connections }: Left): Promise<void> {
  await until(() => countSockets() <= sockets, 'the sockets are closed')
  if (connections === undefined) return
  await until(() => countConnections() <= connections, 'the sessions are freed')
}

describe('floods of HTTP/2 frames', () => {
  let hop: Http2Hop
  let client: Http2RawClient
  let before: Left

  beforeEach(async () => {
    hop = await startHttp2Hop({ more: 'timeouts: { body_idle: 400ms }' })
    before = { sockets: countSockets() }
    client = await hop.connect()
  })
  afterEach(async () => {
    client.destroy()
    await hop.close()
  })

  /** The connection is over with GOAWAY; the caller who comes next is served, and nothing of this one is left. */
  async function expectEnded(codes: readonly number[]): Promise<void> {
    expect(codes).toContain((await client.goaway()).code)
    await client.closed()
    await hop.expectServed()
    await expectFreed(before)
  }

  /** A request whose token was never exchanged before. */
  async function freshRequest(): Promise<Field[]> {
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    return requestFields([['authorization', `Bearer ${token}`]], { path: '/orders/1' })
  }

  const limits = [errorCode.internal, errorCode.enhanceYourCalm, errorCode.protocol]

  it.each([
    ['in one piece', 1],
    ['in pieces', 100],
  ])('E18 pattern F01 rapid reset costs neither calls nor exchanges: %s', async (_how, pieces) => {
    before = { ...countLeft(), sockets: before.sockets }
    const from = hop.mark()
    const requests = await Promise.all(Array.from({ length: 4 }, () => freshRequest()))
    const piece = (index: number): Buffer =>
      repeat(2_000 / pieces, at => {
        const id = idAt((index * 2_000) / pieces + at)
        const fields = requests[at % requests.length] ?? []
        return Buffer.concat([headersFrame(id, fields), rstStreamFrame(id)])
      })
    for (let index = 0; index < pieces && !client.isClosed; index += 1) {
      client.send(piece(index))
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(limits).toContain((await client.goaway()).code)
    await client.closed()
    await until(() => hop.eventsSince(from).some(({ path }) => path === ''), 'the event of the connection')
    const events = hop.eventsSince(from)
    const gone = events.filter(({ refusal }) => refusal === 'client.closed')
    const unreadable = events.filter(({ refusal }) => refusal === 'request.malformed')
    expect(gone.length).toBeGreaterThan(0)
    expect(gone.length).toBeLessThan(1_000)
    expect({ unreadable: unreadable.length, all: events.length }).toEqual({
      unreadable: 1,
      all: gone.length + 1,
    })
    // Of a request in a hundred its end may come in a packet of its own.
    const { requests: heard, exchanges } = hop.mark()
    expect(heard - from.requests).toBeLessThanOrEqual(20)
    expect(exchanges - from.exchanges).toBeLessThanOrEqual(requests.length)
    await hop.expectServed()
    await expectFreed(before)
  })

  it('E18 pattern F01 a caller who gives up a few requests goes on', async () => {
    const request = await freshRequest()
    client.send(
      repeat(200, index => Buffer.concat([headersFrame(idAt(index), request), rstStreamFrame(idAt(index))])),
      headersFrame(idAt(200), request),
    )
    expect(await client.answer(idAt(200))).toMatchObject({ status: 200, text: 'ok' })
    expect(client.isClosed).toBe(false)
  })

  it.each([
    ['a window that grows by nothing', (id: number) => windowUpdateFrame(id, 0)],
    ['a window that grows too much', (id: number) => windowUpdateFrame(id, 0x7fffffff)],
    ['data behind the end', (id: number) => dataFrame(id, 'x')],
    ['a length that is not kept', (id: number) => headersFrame(id, [[':path', '/x']])],
    ['a priority of five bytes and one', (id: number) => frame(frameType.priority, 0, id, Buffer.alloc(6))],
  ])('E18 streams that the sidecar itself has to reset cost nothing: %s', async (_what, cause) => {
    const from = hop.mark()
    const request = await freshRequest()
    client.send(
      repeat(1_000, index => Buffer.concat([headersFrame(idAt(index), request), cause(idAt(index))])),
    )
    await until(() => client.isClosed, 'the end of the connection')
    await hop.expectServed()
    const events = hop.eventsSince(from).slice(0, -1)
    expect(events.filter(({ path }) => path === '')).toHaveLength(1)
    expect(events.length).toBeLessThanOrEqual(130)
    expect(hop.mark().exchanges - from.exchanges).toBeLessThanOrEqual(1)
    expect(hop.mark().requests - from.requests).toBeLessThanOrEqual(129)
    await expectFreed(before)
  })

  it('E18 malformed requests in any number have one event, and reach nobody', async () => {
    const from = hop.mark()
    const malformed = hop.withToken([['X-A', '1']])
    client.send(
      repeat(1_000, index => headersFrame(idAt(index), malformed)),
      headersFrame(idAt(1_000), hop.withToken()),
    )
    await client.answer(idAt(1_000))
    client.destroy()
    await until(() => hop.lines.length >= from.events + 1, 'the event of the connection')
    await hop.expectServed()
    expect(hop.eventsSince(from).filter(({ refusal }) => refusal === 'request.malformed')).toHaveLength(1)
    expect(hop.lines.length).toBeLessThanOrEqual(from.events + 3)
    expect(hop.mark().requests).toBeLessThanOrEqual(from.requests + 2)
    await expectFreed(before)
  })

  it('E18 more streams than are allowed are refused, and no more than those have an exchange', async () => {
    const from = hop.mark()
    hop.upstream.answerWith({ action: 'hang' })
    const request = await freshRequest()
    client.send(repeat(1_000, index => headersFrame(idAt(index), request)))
    const refused = (): number =>
      client.frames.filter(
        ({ type, payload }) =>
          type === frameType.rstStream && payload.readUInt32BE(0) === errorCode.refusedStream,
      ).length
    await until(() => refused() === 1_000 - 128, 'the streams over the limit are refused')
    await hop.upstream.request(from.requests + 127)
    client.destroy()
    await until(() => hop.lines.length === from.events + 128, 'an event for each stream')
    expect(hop.eventsSince(from).every(({ refusal }) => refusal === 'client.closed')).toBe(true)
    expect(hop.mark().exchanges).toBe(from.exchanges + 1)
    expect(hop.mark().requests).toBe(from.requests + 128)
    hop.upstream.answerWith(response(200, 'ok'))
    await hop.expectServed()
    await until(() => countConnections() <= 1, 'the session is freed')
  })

  it.each([
    ['empty', () => Buffer.alloc(0)],
    ['with fields', (index: number) => encodeFields([[`x-${index}`, 'x'.repeat(100)]])],
  ])('E18 a flood of CONTINUATION ends the connection: %s', async (_what, block) => {
    const from = hop.mark()
    client.send(
      frame(frameType.headers, flag.endStream, 1, encodeFields(await freshRequest())),
      repeat(2_000, index => continuationFrame(1, block(index))),
    )
    await expectEnded(limits)
    expect(hop.mark().exchanges).toBe(from.exchanges)
    expect(hop.eventsSince(from).map(({ refusal }) => refusal)).toEqual(['request.malformed', undefined])
  })

  it('E18 a request in a few CONTINUATION frames is one', async () => {
    const [head, rest] = [hop.withToken().slice(0, 4), hop.withToken().slice(4)]
    client.send(
      frame(frameType.headers, flag.endStream, 1, encodeFields(head)),
      continuationFrame(1, encodeFields(rest)),
      frame(frameType.continuation, flag.endHeaders, 1),
    )
    expect(await client.answer(1)).toMatchObject({ status: 200, text: 'ok' })
  })

  it('E18 a header section that does not end is not waited for', async () => {
    await hop.close()
    hop = await startHttp2Hop({ more: 'timeouts: { keep_alive: 200ms }' })
    before = { sockets: countSockets() }
    client = await hop.connect()
    client.send(frame(frameType.headers, flag.endStream, 1, encodeFields(hop.withToken())))
    await client.closed()
    await hop.expectServed()
    await expectFreed(before)
  })

  const floods: readonly [string, () => Buffer][] = [
    ['SETTINGS', () => repeat(2_000, () => settingsFrame([]))],
    ['PING', () => repeat(2_000, () => pingFrame())],
  ]
  it.each(floods)('E18 a flood of %s ends the connection', async (_what, flood) => {
    const from = hop.mark()
    client.send(flood())
    await expectEnded(limits)
    expect(hop.eventsSince(from).map(({ refusal }) => refusal)).toEqual(['request.malformed', undefined])
  })

  it.each(floods)('E18 a flood of %s whose answers nobody reads keeps no memory', async (_what, flood) => {
    const from = hop.mark()
    client.socket.pause()
    client.send(flood())
    await until(() => hop.lines.length > from.events, 'the event of the connection')
    expect(hop.eventsSince(from)).toMatchObject([{ refusal: 'request.malformed' }])
    client.destroy()
    await hop.expectServed()
    await expectFreed(before)
  })

  it('E18 SETTINGS with thousands of entries end the connection', async () => {
    const entries = Array.from({ length: 2_000 }, () => [setting.initialWindowSize, 65_535] as const)
    client.send(repeat(20, () => settingsFrame(entries)))
    await expectEnded(limits)
  })

  it('E18 a few SETTINGS and PING are answered', async () => {
    client.send(settingsFrame([[setting.initialWindowSize, 70_000]]), pingFrame(Buffer.from('12345678')))
    await until(() => client.frames.some(({ payload }) => payload.toString() === '12345678'), 'the answer')
    client.send(headersFrame(1, hop.withToken()))
    expect((await client.answer(1)).status).toBe(200)
  })

  it('E18 a flood of empty DATA ends the connection', async () => {
    const from = hop.mark()
    client.send(
      headersFrame(1, hop.withToken([], { method: 'POST' }), 'more'),
      repeat(2_000, () => dataFrame(1, '', 'more')),
    )
    await expectEnded(limits)
    const codes = hop.eventsSince(from).map(({ refusal }) => refusal)
    expect(codes.sort()).toEqual(['client.closed', 'request.malformed', undefined])
  })

  it.each([
    ['PRIORITY', (index: number) => frame(frameType.priority, 0, idAt(index), Buffer.alloc(5, 1))],
    ['WINDOW_UPDATE', () => windowUpdateFrame(0, 1)],
    ['frames of an unknown type', () => frame(0xfa, 0, 0, Buffer.alloc(16))],
    ['PING that is an answer', () => frame(frameType.ping, flag.ack, 0, Buffer.alloc(8))],
  ])('E18 a flood of %s holds nobody up', async (_what, make) => {
    const from = hop.mark()
    client.send(repeat(2_000, make))
    await hop.expectServed()
    client.send(headersFrame(idAt(2_000), hop.withToken()))
    const { status } = await client.answer(idAt(2_000))
    expect([200, 0]).toContain(status)
    client.destroy()
    await expectFreed(before)
    expect(hop.lines.length).toBeLessThanOrEqual(from.events + 2)
  })

  it('E18 a header section that unpacks to megabytes is not read', async () => {
    const from = hop.mark()
    const large = encodeRemembered('x-a', 'a'.repeat(4_000))
    const many = Buffer.concat(Array.from({ length: 2_000 }, () => encodeIndexed(62)))
    const block = Buffer.concat([encodeFields(await freshRequest()), large, many])
    client.send(frame(frameType.headers, flag.endStream | flag.endHeaders, 1, block))
    const { status, reset } = await client.answer(1)
    expect({ status, reset }).toEqual({ status: 0, reset: errorCode.enhanceYourCalm })
    expect(hop.mark()).toMatchObject({ bytes: from.bytes, exchanges: from.exchanges })
    // The connection is in order: what was remembered may be used.
    const some = Buffer.concat([encodeFields(hop.withToken()), encodeIndexed(62)])
    client.send(frame(frameType.headers, flag.endStream | flag.endHeaders, 3, some))
    expect((await client.answer(3)).status).toBe(200)
    expect(hop.upstream.requests.at(-1)?.header('x-a')).toHaveLength(4_000)
    client.destroy()
    await until(() => hop.lines.length === from.events + 2, 'the event of the connection')
    expect(hop.eventsSince(from).map(({ refusal }) => refusal)).toEqual([undefined, 'request.malformed'])
    await hop.expectServed()
    await expectFreed(before)
  })

  it('E18 answers for which nobody opens a window are given up', async () => {
    client.destroy()
    const from = hop.mark()
    hop.upstream.answerWith(response(200, 'x'.repeat(100_000)))
    client = await hop.connect({ settings: [[setting.initialWindowSize, 0]] })
    client.send(repeat(50, index => headersFrame(idAt(index), hop.withToken())))
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => client.answer(idAt(index))))
    for (const { text, complete } of answers)
      expect({ text, complete }).toEqual({ text: '', complete: false })
    await until(() => hop.lines.length === from.events + 50, 'an event for each stream')
    client.destroy()
    hop.upstream.answerWith(response(200, 'ok'))
    await hop.expectServed()
    await until(() => countConnections() <= 1, 'the session is freed')
  })

  it('E18 a frame now and then does not hold such an answer', async () => {
    client.destroy()
    const from = hop.mark()
    hop.upstream.answerWith(response(200, 'x'.repeat(100_000)))
    client = await hop.connect({ settings: [[setting.initialWindowSize, 0]] })
    client.send(headersFrame(1, hop.withToken()))
    const keepAlive = setInterval(() => client.send(pingFrame(), windowUpdateFrame(0, 1)), 50)
    const { complete } = await client.answer(1)
    clearInterval(keepAlive)
    expect(complete).toBe(false)
    await hop.event(from.events)
    expect(hop.eventsSince(from)).toHaveLength(1)
  })

  it('E18 an answer whose window opens in time is whole', async () => {
    client.destroy()
    hop.upstream.answerWith(response(200, 'x'.repeat(1_000)))
    client = await hop.connect({ settings: [[setting.initialWindowSize, 0]] })
    client.send(headersFrame(1, hop.withToken()))
    await until(() => client.frames.some(({ type }) => type === frameType.headers), 'the head')
    client.send(windowUpdateFrame(1, 1_000))
    expect(await client.answer(1)).toMatchObject({ status: 200, text: 'x'.repeat(1_000), complete: true })
  })

  it('pattern F05 a window past its limit ends 200 connections, and leaves nothing of them', async () => {
    before = { ...countLeft(), sockets: before.sockets }
    const from = hop.mark()
    client.destroy()
    for (let batch = 0; batch < 10; batch += 1) {
      const clients = await Promise.all(Array.from({ length: 20 }, () => hop.connect()))
      for (const one of clients) one.send(windowUpdateFrame(0, 0x7fffffff))
      for (const one of clients) {
        expect((await one.goaway()).code).toBe(errorCode.flowControl)
        await one.closed()
      }
    }
    await until(() => hop.lines.length === from.events + 200, 'an event for each connection')
    expect(hop.eventsSince(from).every(({ refusal }) => refusal === 'request.malformed')).toBe(true)
    await hop.expectServed()
    await expectFreed(before)
  })

  it('pattern F05 a window up to its limit is in order', async () => {
    client.send(windowUpdateFrame(0, 0x7fffffff - 65_535), headersFrame(1, hop.withToken()))
    expect(await client.answer(1)).toMatchObject({ status: 200, text: 'ok' })
  })

  it.each([
    ['HPACK that is none', errorCode.compression, frame(frameType.headers, 5, 1, Buffer.alloc(1_000, 0xff))],
    ['an index of no table', errorCode.compression, frame(frameType.headers, 5, 1, encodeIndexed(100))],
    ['a frame over the limit', errorCode.frameSize, frame(frameType.headers, 5, 1, Buffer.alloc(20_000))],
    ['DATA of no stream', errorCode.protocol, dataFrame(0, 'x')],
    ['a request of a server', errorCode.protocol, headersFrame(2, requestFields())],
    ['PUSH_PROMISE', errorCode.protocol, frame(frameType.pushPromise, 4, 1, Buffer.alloc(8))],
    ['PING of seven bytes', errorCode.frameSize, frame(frameType.ping, 0, 0, Buffer.alloc(7))],
  ])('E18 %s ends the connection with one event', async (_what, code, bytes) => {
    const from = hop.mark()
    client.send(bytes)
    await expectEnded([code])
    expect(hop.eventsSince(from).map(({ refusal }) => refusal)).toEqual(['request.malformed', undefined])
  })
})

describe.skipIf(!canMakeCertificates)(`HTTP/2 over TLS${withCertificates}`, () => {
  const certificate = createCertificate('DNS:orders.test')
  const trust = { ca: certificate.cert, servername: 'orders.test', host: '127.0.0.1' }
  let hop: RunningHop

  beforeEach(async () => {
    const { cert, key } = writeTlsFiles(certificate)
    hop = await startHop({ listen: `{ address: 127.0.0.1:0, tls: { cert: ${cert}, key: ${key} } }` })
  })
  afterEach(() => hop.close())

  async function openTls(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({ ...trust, port: hop.port, ALPNProtocols: ['h2'], ...options })
    await once(socket, 'secureConnect')
    return socket
  }

  async function expectServed(): Promise<void> {
    const client = await connectHttp2(hop.port, { socket: await openTls() })
    client.send(headersFrame(1, requestFields()))
    expect(await client.answer(1)).toMatchObject({ status: 200, text: 'ok' })
    client.destroy()
  }

  /** A handshake that failed is recorded once, before the request of the next caller. */
  async function expectOneEvent(from: number): Promise<void> {
    await hop.event(from + 1)
    const events = hop.lines.slice(from).map(line => JSON.parse(line).data)
    expect(events.map(({ refusal }) => refusal)).toEqual(['request.malformed', undefined])
  }

  const malformed = frame(frameType.headers, flag.endHeaders | flag.endStream, 1, Buffer.alloc(16_000, 0xff))

  it('pattern F04 malformed HPACK and then no more, 50 times, ends no process', async () => {
    await expectServed()
    const from = hop.lines.length
    const before = countLeft()
    for (let index = 0; index < 50; index += 1) {
      const client = await connectHttp2(hop.port, { socket: await openTls() })
      client.send(malformed)
      if (index % 2 === 0) expect((await client.goaway()).code).toBe(errorCode.compression)
      else client.socket.end()
      await client.closed()
    }
    await expectServed()
    await expectFreed(before)
    const refused = hop.lines.slice(from, -1).map(line => JSON.parse(line).data.refusal)
    expect(refused).toEqual(Array(50).fill('request.malformed'))
    expect(hop.upstream.requests).toHaveLength(2)
  })

  /** Sends what is malformed and breaks off, so that GOAWAY meets a connection that has gone. */
  async function breakOff(times: number): Promise<void> {
    for (let index = 0; index < times; index += 1) {
      const client = await connectHttp2(hop.port, { socket: await openTls() })
      client.send(malformed)
      setImmediate(() => client.destroy())
      await client.closed()
    }
  }

  it('pattern F04 malformed HPACK of callers who break off, 50 times, ends no process and leaves nothing', async () => {
    await expectServed()
    const [from, before] = [hop.lines.length, countLeft()]
    await breakOff(50)
    await expectServed()
    await expectFreed(before)
    expect(hop.lines.length).toBeLessThanOrEqual(from + 51)
    expect(hop.upstream.requests).toHaveLength(2)
  })

  it.each([
    ['no name', ''],
    ['of 255 characters', 'a'.repeat(255)],
    ['of 250 characters with dots', `${'a'.repeat(49)}.`.repeat(5)],
    ['in upper case', 'ORDERS.TEST'],
    ['unknown', 'unknown.test'],
    ['with a dot behind', 'orders.test.'],
  ])('pattern F06 a server name that is odd is not looked at: %s', async (_what, servername) => {
    const socket = await openTls({ servername, checkServerIdentity: () => undefined })
    const client = await connectHttp2(hop.port, { socket })
    client.send(headersFrame(1, requestFields()))
    expect((await client.answer(1)).status).toBe(200)
    client.destroy()
    await expectServed()
  })

  /** Names that no library sends. The two sides read different bytes then, so no handshake can end well. */
  it.each([
    ['Unicode', Buffer.from('örders.tést')],
    ['bytes that are no UTF-8', Buffer.alloc(11, 0xff)],
    ['NUL', Buffer.from('orders\0test')],
    ['an address', Buffer.from('127.000.0.1')],
    ['an IPv6 address', Buffer.from('[::1]:44300')],
    ['line ends', Buffer.from('orders\r\n\r\n1')],
    ['names of what every object has', Buffer.from('__proto__.a')],
  ])('pattern F06 a server name of %s ends a handshake, and no process', async (_what, name) => {
    const from = hop.lines.length
    const servername = 'n'.repeat(name.length)
    const outcome = await connectAltered(hop.port, { ...trust, servername, ALPNProtocols: ['h2'] }, bytes => {
      const at = bytes.indexOf(servername, 0, 'latin1')
      expect(at).toBeGreaterThan(0)
      name.copy(bytes, at)
    })
    expect(outcome).toMatch(/^ERR_SSL_|ECONNRESET/)
    await expectServed()
    await expectOneEvent(from)
  })

  it.each<[string, readonly (string | Buffer)[]]>([
    ['unknown', ['nope']],
    ['in upper case', ['H2', 'HTTP/1.1']],
    ['of 255 characters', ['a'.repeat(255)]],
    ['in Unicode', [Buffer.from('h²')]],
    ['of NUL', [Buffer.from('h2\0')]],
    ['of another version', ['h2c', 'h3', 'http/0.9']],
  ])(
    'pattern F06 a protocol that nobody speaks ends the handshake with an alert: %s',
    async (_what, offered) => {
      const ALPNProtocols = Buffer.concat(
        offered.map(one => Buffer.concat([Buffer.of(Buffer.byteLength(one)), Buffer.from(one)])),
      )
      await expect(openTls({ ALPNProtocols })).rejects.toMatchObject({
        code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
      })
      await expectServed()
      await expectOneEvent(0)
    },
  )

  it('pattern F06 among a hundred protocols the one that is spoken is found', async () => {
    const others = Array.from({ length: 100 }, (_, index) => `p${index}`)
    const socket = await openTls({ ALPNProtocols: [...others, 'h2'] })
    expect(socket.alpnProtocol).toBe('h2')
    socket.destroy()
    await expectServed()
  })

  it('pattern F06 an empty list of protocols ends the handshake, none at all is HTTP/1.1', async () => {
    const outcome = await connectAltered(hop.port, { ...trust, ALPNProtocols: ['xy'] }, bytes => {
      const at = bytes.indexOf(Buffer.from('\0\x03\x02xy', 'latin1'))
      expect(at).toBeGreaterThan(0)
      // A name of no bytes where one of two was.
      bytes.writeUInt8(0, at + 2)
    })
    expect(outcome).toMatch(/^ERR_SSL_|ECONNRESET/)
    const { ALPNProtocols: _none, ...plain } = { ...trust, ALPNProtocols: [] }
    const socket = connect({ ...plain, port: hop.port })
    await once(socket, 'secureConnect')
    socket.write('GET /public/1 HTTP/1.1\r\nHost: orders.test\r\nConnection: close\r\n\r\n')
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
    socket.destroy()
    await expectServed()
  })
})
