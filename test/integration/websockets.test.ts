import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { readClaims } from '../support/attacked-hop.ts'
import { canMakeCertificates, createAuthority, withCertificates } from '../support/certificate.ts'
import { openRaw } from '../support/raw-client.ts'
import { type HopOptions, hopYaml, type RunningHop, readConfig, startHop } from '../support/start-hop.ts'
import { writeTlsFiles } from '../support/tls.ts'
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
import {
  openWebSocket,
  startWebSocketService,
  type WebSocketEnd,
  type WebSocketService,
  type WebSocketServiceOptions,
} from '../support/websocket-service.ts'

const running: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close()
})

function keep<T extends { close(): Promise<void> }>(one: T): T {
  running.push(one)
  return one
}

const routes = `
  - { path: /live, audience: orders-api, scope: orders:read, websocket: true }
  - { path: /plain, audience: orders-api, scope: orders:read }
  - { path: /pages, public: true, websocket: { origins: [https://app.test, 'http://localhost:5173'] } }
  - { path: /public, public: true, websocket: true }`

interface Gate {
  readonly hop: RunningHop
  readonly service: WebSocketService
  /** Opens a WebSocket through the gate. @returns both ends */
  open(
    path?: string,
    options?: Parameters<typeof openWebSocket>[2],
    token?: string,
  ): Promise<readonly [caller: WebSocketEnd, upstream: WebSocketEnd]>
}

/** A sidecar before a service, each end of it with a WebSocket library. */
async function startGate(
  options: HopOptions = {},
  serviceOptions: WebSocketServiceOptions = {},
): Promise<Gate> {
  const service = keep(await startWebSocketService(serviceOptions))
  const unused = keep(await startUpstream())
  const hop = keep(await startHop({ routes, upstream: { ...unused, url: service.url }, ...options }))
  const presented = await hop.issuer.sign({ scope: 'orders:read' })
  return {
    hop,
    service,
    async open(path = '/live', client = {}, token = presented) {
      const id = randomUUID()
      const headers = { ...client.headers, 'x-pair': id }
      const caller = await openWebSocket(hop.url + path, token, { ...client, headers })
      const other = () => service.ends.find(({ request }) => request.headers['x-pair'] === id)
      await until(() => other() !== undefined, 'the upstream has opened it as well')
      return [caller, other() as WebSocketEnd]
    },
  }
}

const goingAway = { code: 1001, reason: 'going away' }
const tokenEnded = { code: 1008, reason: 'token has ended' }

/** Both ends were told so, and never got a frame that is none. */
async function expectClosed(
  ends: readonly WebSocketEnd[],
  closing: { readonly code: number; readonly reason: string },
): Promise<void> {
  for (const { closed, errors } of ends) {
    expect(await closed).toEqual(closing)
    expect(errors).toEqual([])
  }
}

describe('a handshake', () => {
  it('opens with the issued token in the place of the presented one', async () => {
    const { hop, service, open } = await startGate()
    const token = await hop.issuer.sign({ scope: 'orders:read', sub: 'alice' })
    await open('/live?since=7', {}, token)
    const { headers, url } = service.ends[0]?.request ?? {}
    expect(url).toBe('/live?since=7')
    expect(readClaims(headers?.authorization ?? '')).toMatchObject({ aud: 'orders-api', sub: 'alice' })
    expect(JSON.stringify(service.ends[0]?.request.rawHeaders)).not.toContain(token.split('.')[2])
    expect(await hop.event()).toMatchObject({ status: 101, delivery: { status: 101, complete: true } })
  })

  it('passes what both ends agree on: subprotocol, compression, and fields of their own', async () => {
    const { service, open } = await startGate(
      {},
      {
        perMessageDeflate: true,
        handleProtocols: protocols => (protocols.has('orders.v2') ? 'orders.v2' : false),
      },
    )
    const headers = { 'x-client': '7', cookie: 'a=1' }
    const [caller] = await open('/live', { protocols: ['orders.v1', 'orders.v2'], headers })
    expect(caller.socket.protocol).toBe('orders.v2')
    expect(caller.socket.extensions).toContain('permessage-deflate')
    expect(service.ends[0]?.request.headers).toMatchObject({ 'x-client': '7', cookie: 'a=1' })
  })

  it.each([
    ['without a token', undefined, 401],
    ['with a token that has expired', { exp: 1 }, 401],
    ['with a token of another audience', { aud: 'elsewhere' }, 401],
    ['without the scope of the route', { scope: 'other' }, 403],
  ])('is refused before the upstream hears of it %s', async (_, claims, status) => {
    const { hop, service, open } = await startGate()
    const token = claims && (await hop.issuer.sign({ scope: 'orders:read', ...claims }))
    await expect(openWebSocket(`${hop.url}/live`, token)).rejects.toMatchObject({ status })
    expect(service.ends).toEqual([])
    await open()
  })

  it('is refused on a route that takes none, which goes on to take requests', async () => {
    const { hop, open } = await startGate()
    await expect(open('/plain')).rejects.toMatchObject({ status: 400 })
    await open('/live')
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const answer = await fetch(`${hop.url}/plain`, { headers: { authorization: `Bearer ${token}` } })
    expect(answer.status).toBe(200)
  })

  it('is answered with whatever else the upstream says', async () => {
    const { open } = await startGate({}, { verifyClient: (_info, done) => done(false, 418, 'no') })
    await expect(open()).rejects.toMatchObject({ status: 418 })
  })
})

describe('a handshake of a page', () => {
  it.each(['https://app.test', 'http://localhost:5173'])('opens from %s, which is listed', async origin => {
    const { open, service } = await startGate()
    await open('/pages', { origin })
    expect(service.ends[0]?.request.headers.origin).toBe(origin)
  })

  it('opens for who is no browser and names no origin', async () => {
    const { open } = await startGate()
    await open('/pages')
  })

  it('opens from anywhere where no origins are listed', async () => {
    const { open } = await startGate()
    await open('/public', { origin: 'https://anywhere.test' })
  })

  it('is refused from another origin', async () => {
    const { hop, open, service } = await startGate()
    await expect(open('/pages', { origin: 'https://evil.test' })).rejects.toMatchObject({ status: 403 })
    expect(await hop.event()).toMatchObject({ refusal: 'request.origin', status: 403 })
    expect(service.ends).toEqual([])
  })
})

describe('messages', () => {
  it.each([
    ['as they are', false],
    ['compressed', true],
  ])('of every kind pass whole and in order, both ways, %s', async (_, perMessageDeflate) => {
    const { open } = await startGate({}, { perMessageDeflate, maxPayload: 0 })
    const [caller, upstream] = await open('/live', { perMessageDeflate, maxPayload: 0 })
    const sent: readonly (string | Buffer)[] = [
      'hello',
      '',
      'Zoë 😀',
      Buffer.alloc(125, 1),
      Buffer.alloc(126, 2),
      Buffer.alloc(65_536, 3),
      Buffer.from(Array.from({ length: 5_000_000 }, (_value, index) => (index * index) >> 7)),
      ...Array.from({ length: 2_000 }, (_value, index) => `message ${index}`),
    ]
    for (const [from, to] of [
      [caller, upstream],
      [upstream, caller],
    ] as const) {
      for (const message of sent) from.socket.send(message)
      // One message of fragments.
      for (let part = 0; part < 100; part++) from.socket.send(`part ${part} `, { fin: part === 99 })
      await until(() => to.messages.length === sent.length + 1, 'every message')
      for (const [index, message] of sent.entries()) {
        const { data, isBinary } = to.messages[index] ?? {}
        expect(isBinary).toBe(typeof message !== 'string')
        expect(data?.equals(typeof message === 'string' ? Buffer.from(message) : message)).toBe(true)
      }
      expect(to.messages.at(-1)?.data.toString()).toMatch(/^part 0 .*part 99 $/)
      expect(to.errors).toEqual([])
    }
  })

  it('are pinged and ponged through', async () => {
    const { open } = await startGate()
    const [caller, upstream] = await open()
    for (const [from, text] of [
      [caller, 'up'],
      [upstream, 'down'],
    ] as const) {
      const pong = once(from.socket, 'pong')
      from.socket.ping(text)
      expect(String((await pong)[0])).toBe(text)
    }
  })

  it('have different connections each', async () => {
    const { open } = await startGate()
    const pairs = await Promise.all(Array.from({ length: 20 }, () => open('/live')))
    for (const [index, [caller]] of pairs.entries()) caller.socket.send(`from ${index}`)
    const upstreams = pairs.map(([, upstream]) => upstream)
    await until(() => upstreams.every(({ messages }) => messages.length === 1), 'one message each')
    const texts = upstreams.map(({ messages }) => messages[0]?.data.toString())
    expect(new Set(texts).size).toBe(20)
  })
})

describe('the end of a WebSocket', () => {
  it.each([
    [1000, ''],
    [1000, 'done'],
    [3000, 'x'.repeat(123)],
    [4999, 'Zoë'],
  ])('passes with its code %s and its reason, from either end', async (code, reason) => {
    const { open } = await startGate()
    for (const which of [0, 1] as const) {
      const ends = await open()
      ends[which].socket.close(code, reason)
      await expectClosed(ends, { code, reason })
    }
  })

  it('without a Close of either end is the end of the other one', async () => {
    const { open } = await startGate()
    for (const which of [0, 1] as const) {
      const ends = await open()
      ends[which].socket.terminate()
      expect(await ends[1 - which]?.closed).toMatchObject({ code: 1006 })
    }
  })

  it('comes with 1001 when nothing was said for too long, and not while something is', async () => {
    const { open } = await startGate({ more: 'timeouts: { websocket_idle: 400ms }' })
    const ends = await open()
    let pings = 0
    await new Promise<void>(resolve => {
      const timer = setInterval(() => {
        ends[pings % 2]?.socket.ping()
        if (++pings < 20) return
        clearInterval(timer)
        resolve()
      }, 50)
    })
    expect(ends.map(({ socket }) => socket.readyState)).toEqual([1, 1])
    await expectClosed(ends, goingAway)
  })

  it('comes with 1008 when the token has ended', async () => {
    const { hop, open } = await startGate()
    const exp = Math.floor(Date.now() / 1_000) + 2
    const token = await hop.issuer.sign({ scope: 'orders:read', exp })
    const ends = await open('/live', {}, token)
    const others = await open()
    await expectClosed(ends, tokenEnded)
    expect(Date.now() / 1_000).toBeGreaterThan(exp - 0.1)
    // Another token's goes on.
    others[0].socket.send('still here')
    await until(() => others[1].messages.length === 1, 'a message')
  })

  it('comes with 1008 at its time although both ends never stop talking', async () => {
    const { hop, open } = await startGate()
    const exp = Math.floor(Date.now() / 1_000) + 2
    const token = await hop.issuer.sign({ scope: 'orders:read', exp })
    const ends = await open('/live', {}, token)
    const stop = ends.map(end => talk(end))
    await expectClosed(ends, tokenEnded)
    for (const one of stop) one()
    expect(Date.now() / 1_000).toBeGreaterThan(exp - 0.1)
  })

  it('comes with 1001 when the sidecar stops', async () => {
    const { hop, open } = await startGate()
    const pairs = await Promise.all([open(), open('/public'), open()])
    await hop.sidecar.close()
    for (const ends of pairs) await expectClosed(ends, goingAway)
  })

  it('comes with 1001 on one that opens while the sidecar stops', async () => {
    let accept: (() => void) | undefined
    const { hop, open } = await startGate(
      {},
      {
        verifyClient: (_info, done) => {
          accept = () => done(true)
        },
      },
    )
    const opening = open()
    await until(() => accept !== undefined, 'the handshake')
    const stopped = hop.sidecar.close()
    accept?.()
    await expectClosed(await opening, goingAway)
    await stopped
  })

  it('does not come with another configuration, which opens no further one', async () => {
    const { hop, service, open } = await startGate()
    const [caller, upstream] = await open()
    const without = { routes: routes.replace('path: /live, ', 'path: /other, ') }
    expect(hop.sidecar.reload(readConfig(hopYaml(hop.issuer, service.url, without)))).toBeUndefined()
    await expect(open()).rejects.toMatchObject({ status: 404 })
    caller.socket.send('still here')
    await until(() => upstream.messages.length === 1, 'a message')
  })
})

/** Sends messages as fast as they go out: small, large, fragmented, compressed if the connection is. */
function talk({ socket }: WebSocketEnd): () => void {
  let isTalking = true
  const payloads = [Buffer.alloc(10, 'a'), Buffer.alloc(300, 'b'), Buffer.alloc(200_000, 'c')]
  let count = 0
  const send = (): void => {
    if (!isTalking || socket.readyState !== 1) return
    count += 1
    const payload = payloads[count % payloads.length] as Buffer
    // Every third message is in pieces.
    socket.send(payload, { fin: count % 3 !== 0 }, () => setImmediate(send))
  }
  send()
  return () => {
    isTalking = false
  }
}

/** Both ends of a WebSocket as bare sockets. */
interface RawEnds {
  readonly hop: RunningHop
  readonly caller: Socket
  readonly upstream: Socket
  /** Everything that came to the caller behind the handshake. */
  atCaller(): Buffer
  /** Everything that came to the upstream behind the handshake. */
  atUpstream(): Buffer
  /** Both connections are closed. */
  closed(): Promise<void>
}

function handshakeOf(path: string, ...fields: readonly string[]): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${[...handshakeFields, ...fields].join('\r\n')}\r\n\r\n`
}

async function openRawEnds(path = '/live', options: HopOptions = {}): Promise<RawEnds> {
  const hop = keep(await startHop({ routes, ...options }))
  let upstream: Socket | undefined
  hop.upstream.answerWith((_request, socket) => {
    upstream = socket
    socket.allowHalfOpen = true
    return handshakeAnswer
  })
  const token = await hop.issuer.sign({ scope: 'orders:read' })
  const caller = await openRaw(hop.port)
  caller.allowHalfOpen = true
  let received = Buffer.alloc(0)
  caller.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
  })
  caller.write(handshakeOf(path, `Authorization: Bearer ${token}`))
  const behindHead = (bytes: Buffer): Buffer => {
    const end = bytes.indexOf('\r\n\r\n')
    return end === -1 ? Buffer.alloc(0) : bytes.subarray(end + 4)
  }
  await until(() => received.includes('\r\n\r\n'), 'the handshake')
  const connection = hop.upstream.connections[0]
  return {
    hop,
    caller,
    upstream: upstream as Socket,
    atCaller: () => behindHead(received),
    atUpstream: () => behindHead(connection?.raw ?? Buffer.alloc(0)),
    closed: () =>
      until(() => {
        // They stay half open, and notice that nobody is there when they go on writing.
        for (const socket of [caller, upstream]) if (socket?.writable) socket.write('\0')
        return caller.closed && connection?.isOpen === false
      }, 'both ends are closed'),
  }
}

const opcodesOf = (bytes: Buffer): number[] => readFrames(bytes).frames.map(({ opcode }) => opcode)

describe('a sidecar that stops', () => {
  const large = writeFrame({ opcode: opcodes.binary, payload: Buffer.alloc(300_000, 7), isMasked: true })

  it('lets a frame that is under way end, and then says goodbye', async () => {
    const { hop, caller, upstream, atCaller, atUpstream, closed } = await openRawEnds()
    const half = 100_000
    caller.write(large.subarray(0, half))
    upstream.write(writeFrame({ opcode: opcodes.text, payload: Buffer.from('whole') }))
    await until(() => atUpstream().length === half && atCaller().length > 0, 'the beginnings')
    const stopped = hop.sidecar.close()
    await until(() => opcodesOf(atCaller()).includes(opcodes.close), 'goodbye where nothing is under way')
    expect(atUpstream()).toHaveLength(half)
    // The rest, and the next frame in the same piece, which is not passed on any more.
    caller.write(Buffer.concat([large.subarray(half), large.subarray(0, 1_000)]))
    await until(() => opcodesOf(atUpstream()).length === 2, 'goodbye behind the frame')
    const { frames, rest } = readFrames(atUpstream())
    expect(rest).toHaveLength(0)
    expect(atUpstream().subarray(0, large.length).equals(large)).toBe(true)
    expect(closeOf(frames[1] as Frame)).toEqual(goingAway)
    expect(frames[1]?.isMasked).toBe(true)
    expect(readFrames(atCaller())).toMatchObject({
      frames: [{ opcode: opcodes.text }, { opcode: opcodes.close, isMasked: false }],
      rest: Buffer.alloc(0),
    })
    caller.end()
    upstream.end()
    await stopped
    await closed()
  })

  it('says goodbye between the fragments of a message', async () => {
    const { hop, caller, atUpstream, closed } = await openRawEnds()
    const fragment = (opcode: number): Buffer =>
      writeFrame({ opcode, payload: Buffer.from('part'), isFinal: false, isMasked: true, reserved: 4 })
    caller.write(Buffer.concat([fragment(opcodes.text), fragment(opcodes.continuation)]))
    await until(() => opcodesOf(atUpstream()).length === 2, 'two fragments')
    const stopped = hop.sidecar.close()
    await until(() => opcodesOf(atUpstream()).length === 3, 'goodbye')
    expect(opcodesOf(atUpstream())).toEqual([opcodes.text, opcodes.continuation, opcodes.close])
    await stopped
    await closed()
  })

  it.each([
    ['before its header has come whole', 5],
    ['in its payload', 100],
  ])('breaks off a frame that stands still %s, and invents no end for it', async (_, length) => {
    const { hop, caller, atCaller, atUpstream, closed } = await openRawEnds()
    caller.write(large.subarray(0, length))
    await until(() => atUpstream().length === length, 'the beginning')
    await hop.sidecar.close()
    await closed()
    expect(atUpstream()).toHaveLength(length)
    expect(opcodesOf(atCaller())).toEqual([opcodes.close])
  })

  it('says nothing to ends that are closing, and passes the answer of the other one', async () => {
    const { hop, caller, upstream, atCaller, atUpstream, closed } = await openRawEnds()
    const payload = Buffer.from([0x0f, 0xa1])
    caller.write(writeFrame({ opcode: opcodes.close, payload, isMasked: true }))
    await until(() => opcodesOf(atUpstream()).length === 1, 'the Close of the caller')
    const stopped = hop.sidecar.close()
    upstream.write(writeFrame({ opcode: opcodes.close, payload }))
    await until(() => opcodesOf(atCaller()).length === 1, 'the Close of the upstream')
    await stopped
    await closed()
    for (const bytes of [atCaller(), atUpstream()]) {
      const { frames, rest } = readFrames(bytes)
      expect(frames.map(closeOf)).toEqual([{ code: 4001, reason: '' }])
      expect(rest).toHaveLength(0)
    }
  })

  it('waits no longer than a moment for an end that does not answer its Close', async () => {
    const { hop, closed } = await openRawEnds('/live', { more: 'timeouts: { drain: 20s }' })
    await hop.sidecar.close()
    await closed()
  }, 8_000)

  it.each([
    ['as they are', false],
    ['compressed', true],
  ])('cuts no frame although both ends never stop talking, %s', async (_, perMessageDeflate) => {
    const { hop, open } = await startGate({}, { perMessageDeflate })
    const pairs = await Promise.all(Array.from({ length: 5 }, () => open('/live', { perMessageDeflate })))
    const stop = pairs.flat().map(end => talk(end))
    await until(() => pairs.flat().every(({ messages }) => messages.length > 3), 'some messages')
    await hop.sidecar.close()
    for (const ends of pairs) await expectClosed(ends, goingAway)
    for (const one of stop) one()
  })
})

describe('an end that is half open', () => {
  it('takes the other one with it, though that goes on talking', async () => {
    for (const which of ['caller', 'upstream'] as const) {
      const ends = await openRawEnds()
      const other = which === 'caller' ? ends.upstream : ends.caller
      const ping = writeFrame({ opcode: opcodes.ping, isMasked: which === 'upstream' })
      const talking = setInterval(() => other.write(ping), 20)
      ends[which].end()
      await ends.closed()
      clearInterval(talking)
    }
  }, 10_000)

  it('leaves the other one all that it has sent before, however slowly that reads', async () => {
    const { hop, service } = await startGate()
    const caller = await openRaw(hop.port)
    caller.allowHalfOpen = true
    caller.write(handshakeOf('/public'))
    await until(() => service.ends.length === 1, 'the handshake')
    const upstream = service.ends[0] as WebSocketEnd
    upstream.socket.pause()
    // More than all buffers on the way hold.
    const message = writeFrame({ opcode: opcodes.binary, payload: Buffer.alloc(65_536, 1), isMasked: true })
    for (let count = 0; count < 400; count++) caller.write(message)
    caller.end(writeFrame({ opcode: opcodes.close, payload: Buffer.from([3, 232]), isMasked: true }))
    await new Promise(resolve => setTimeout(resolve, 300))
    upstream.socket.resume()
    expect(await upstream.closed).toEqual({ code: 1000, reason: '' })
    expect(upstream.messages).toHaveLength(400)
    expect(upstream.errors).toEqual([])
  })
})

describe.skipIf(!canMakeCertificates)(`with TLS on both sides${withCertificates}`, () => {
  const [outer, inner] = canMakeCertificates ? [createAuthority('outer'), createAuthority('inner')] : []

  async function startTlsGate(): Promise<Gate & { readonly ca: string }> {
    if (outer === undefined || inner === undefined) throw new Error('no certificates')
    const names = ['IP:127.0.0.1']
    const { cert, key } = writeTlsFiles(outer.issue({ names }))
    const { ca } = writeTlsFiles({ ca: inner.cert })
    const gate = await startGate(
      {
        listen: `{ address: '127.0.0.1:0', tls: { cert: ${cert}, key: ${key} } }`,
        upstreamKeys: `tls: { ca: ${ca} }`,
      },
      { tls: inner.issue({ names }), perMessageDeflate: true },
    )
    return { ...gate, ca: outer.cert }
  }

  it('messages pass whole, the token is exchanged, and closes have their code', async () => {
    const { hop, service, open, ca } = await startTlsGate()
    expect([hop.url, service.url]).toEqual([
      expect.stringMatching(/^https:/),
      expect.stringMatching(/^https:/),
    ])
    const ends = await open('/live', { ca })
    expect(readClaims(service.ends[0]?.request.headers.authorization ?? '')).toMatchObject({
      aud: 'orders-api',
    })
    const large = Buffer.from(Array.from({ length: 3_000_000 }, (_value, index) => (index * index) >> 5))
    for (const [from, to] of [ends, ends.toReversed()] as const) {
      from?.socket.send(large)
      await until(() => to?.messages.length === 1, 'the message')
      expect(to?.messages[0]?.data.equals(large)).toBe(true)
    }
    ends[0].socket.close(4002, 'enough')
    await expectClosed(ends, { code: 4002, reason: 'enough' })
  })

  it('both ends are told 1001 when the sidecar stops, in the middle of messages', async () => {
    const { hop, open, ca } = await startTlsGate()
    const pairs = await Promise.all(Array.from({ length: 3 }, () => open('/live', { ca })))
    const quiet = await open('/live', { ca })
    const stop = pairs.flat().map(end => talk(end))
    await until(() => pairs.flat().every(({ messages }) => messages.length > 3), 'some messages')
    await hop.sidecar.close()
    for (const ends of [...pairs, quiet]) await expectClosed(ends, goingAway)
    for (const one of stop) one()
  })

  it('both ends are told 1008 when the token has ended', async () => {
    const { hop, open, ca } = await startTlsGate()
    const exp = Math.floor(Date.now() / 1_000) + 2
    const ends = await open('/live', { ca }, await hop.issuer.sign({ scope: 'orders:read', exp }))
    await expectClosed(ends, tokenEnded)
  })

  it('an end that is gone without a Close takes the other one with it', async () => {
    const { open, ca } = await startTlsGate()
    for (const which of [0, 1] as const) {
      const ends = await open('/live', { ca })
      ends[which].socket.terminate()
      expect(await ends[1 - which]?.closed).toMatchObject({ code: 1006 })
    }
  })

  it('nothing is opened before an upstream that cannot be trusted', async () => {
    const service = keep(
      await startWebSocketService({ tls: outer?.issue({ names: ['IP:127.0.0.1'] }) ?? {} }),
    )
    const unused = keep(await startUpstream())
    const hop = keep(await startHop({ routes, upstream: { ...unused, url: service.url } }))
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    await expect(openWebSocket(`${hop.url}/live`, token)).rejects.toMatchObject({ status: 502 })
    expect(service.ends).toEqual([])
  })
})
