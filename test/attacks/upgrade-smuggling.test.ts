import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readClaims } from '../support/attacked-hop.ts'
import { type FramedHop, startFramedHop, statuses, usual } from '../support/framed-hop.ts'
import { openRaw, readAnswer, sendRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { type Answer, response } from '../support/upstream.ts'
import { writeUntilStuck } from '../support/write-until-stuck.ts'

/**
 * Behind an upgrade nobody reads requests any more: bytes are bytes. Whoever can make the sidecar believe in an upgrade
 * that the upstream does not believe in has a tunnel for requests that nobody authenticates. So nothing passes before
 * the upstream has said 101 to exactly the protocol that was asked for, and nothing at all when it has said something
 * else.
 */

let hop: FramedHop

/** One sidecar for all tests of a group. */
function startForGroup(): void {
  beforeAll(async () => {
    hop = await startFramedHop({ more: 'timeouts: { upstream_headers: 3s, body_idle: 1s, drain: 100ms }' })
  })
  afterAll(() => hop.close())
  afterEach(() => {
    hop.upstream.clear()
    hop.upstream.answerWith(usual)
  })
}

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const switching = (...fields: string[]): string =>
  `HTTP/1.1 101 Switching Protocols\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`
const accepted = switching('Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Accept: ${accept}`)
const handshake = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${key}`,
]
const upgrade = (path = '/live', ...fields: string[]): string => hop.get(path, ...handshake, ...fields)
const smuggled = (): string => hop.get('/orders/smuggled')
const received = (): string => hop.upstream.connections.map(({ raw }) => raw.toString('latin1')).join('')

/** An open tunnel, and the upstream's end of it. */
async function open(answer = accepted): Promise<{ socket: Socket; inner: Socket; connection: number }> {
  let inner: Socket | undefined
  hop.upstream.enqueue((_request, socket) => {
    inner = socket
    return answer
  })
  const socket = await openRaw(hop.port)
  socket.write(upgrade())
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /)
  return { socket, inner: inner as Socket, connection: hop.upstream.requests.at(-1)?.connection ?? -1 }
}

describe('E11: an upgrade that is allowed', () => {
  startForGroup()

  it.each([
    ['without a token', '', 'token.missing'],
    ['with a bad one', 'Authorization: Bearer a.b.c\r\n', 'token.invalid'],
  ])('E11 is refused before 101 %s', async (_, field, code) => {
    const before = received()
    const events = hop.lines.length
    const answer = await sendRaw(hop.port, `${upgrade().replace(/Authorization.*\r\n/, field)}frames`)
    expect([statuses(answer), answer.closed]).toEqual([[401], true])
    expect(received()).toBe(before)
    expect(await hop.event(events)).toMatchObject({ refusal: code })
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })

  it('E11 goes on with the issued token, and ends with the presented one', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2
    const token = await hop.issuer.sign({ scope: 'orders:read', exp })
    hop.upstream.enqueue(accepted)
    const socket = await openRaw(hop.port)
    socket.write(upgrade().replace(hop.token, token))
    await once(socket, 'data')
    const inner = hop.upstream.requests.at(-1)
    expect(inner?.headerAll('authorization')).toHaveLength(1)
    expect(readClaims(inner?.header('authorization') ?? '')).toMatchObject({
      aud: 'orders-api',
      sub: 'alice',
    })
    expect(received()).not.toContain(token.split('.')[2])
    await once(socket, 'close')
    expect(Date.now() / 1000).toBeGreaterThan(exp - 1)
    await until(
      () => hop.upstream.connections[inner?.connection ?? -1]?.isOpen === false,
      'its end is closed',
    )
  })

  it.each([
    ['on a route that takes none', '/orders/1'],
    ['on a public route that takes none', '/public/page'],
  ])('E11 is refused %s', async (_, path) => {
    await hop.expectRefused(`${upgrade(path)}frames`, 'request.malformed')
  })

  it.each(['POST', 'PUT'])('E11 is refused as a %s', async method => {
    await hop.expectRefused(upgrade().replace('GET', method), 'request.malformed')
  })

  // Node hands over no socket here but a stream before it, which once ended the process.
  it.each([
    ['GET', 'Content-Length: 31'],
    ['GET', 'Transfer-Encoding: chunked'],
    ['POST', 'Content-Length: 31'],
  ])('E11 pattern E02 is refused as a %s with %s', async (method, field) => {
    const uncaught: unknown[] = []
    const keep = (error: unknown): void => {
      uncaught.push(error)
    }
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', keep)
    try {
      await hop.expectRefused(upgrade('/live', field).replace('GET', method), 'request.malformed')
      await hop.expectRefused(
        `${upgrade('/live', field).replace('GET', method)}${smuggled()}`,
        'request.malformed',
      )
      expect(uncaught).toEqual([])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of others) process.on('uncaughtException', listener)
    }
  })
})

describe('E10, pattern E02 and pattern E04: an upgrade to something else', () => {
  startForGroup()

  const settings = 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'

  it.each([
    ['h2c', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', settings]],
    ['h2c in capitals', ['Connection: upgrade, http2-settings', 'Upgrade: H2C', settings]],
    ['h2c, its settings not nominated', ['Connection: Upgrade', 'Upgrade: h2c', settings]],
    ['h2c without settings', ['Connection: Upgrade', 'Upgrade: h2c']],
    ['h2c before websocket', ['Connection: Upgrade', 'Upgrade: h2c, websocket']],
    ['websocket before h2c', ['Connection: Upgrade', 'Upgrade: websocket, h2c']],
    ['two Upgrade fields', ['Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: h2c', settings]],
    ['a version of websocket', ['Connection: Upgrade', 'Upgrade: websocket/13']],
    ['TLS', ['Connection: Upgrade', 'Upgrade: TLS/1.3']],
    ['foo', ['Connection: Upgrade', 'Upgrade: foo']],
    ['websocket, not nominated', ['Connection: keep-alive', 'Upgrade: websocket']],
    ['nothing', ['Connection: Upgrade']],
  ])('E10 pattern E04 is no upgrade: %s', async (_, fields) => {
    for (const path of ['/orders/1', '/live']) {
      const request = await hop.expectOneRequest(hop.get(path, ...fields))
      for (const name of ['upgrade', 'http2-settings']) expect(request.headerAll(name)).toEqual([])
      expect(request.header('connection') ?? '').not.toMatch(/upgrade|http2/i)
    }
  })

  it('E10 is no upgrade in HTTP/1.0', async () => {
    const request = await hop.expectOneRequest(upgrade().replace('HTTP/1.1', 'HTTP/1.0'))
    expect(request.headerAll('upgrade')).toEqual([])
  })

  // Node's parser drops the rest of the packet behind an upgrade that is ignored, and would go on with the next one.
  it('pattern E02 ends the connection, so that no caller waits for an answer to what came behind it', async () => {
    const events = hop.lines.length
    const first = hop.get('/live', 'Connection: Upgrade', 'Upgrade: foo')
    const answer = await sendRaw(hop.port, `${first}${smuggled()}`)
    expect([statuses(answer), answer.closed]).toEqual([[200], true])
    expect(answer.responses[0]?.header('connection')).toBe('close')
    expect(received()).not.toContain('smuggled')
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })
})

describe('pattern E02: before the upstream has said 101', () => {
  startForGroup()

  it('pattern E02 sends nothing of what comes behind the handshake, and all of it afterwards', async () => {
    let before = ''
    hop.upstream.enqueue(async () => {
      await sleep(100)
      before = received()
      return accepted
    })
    const socket = await openRaw(hop.port)
    socket.write(`${upgrade()}first`)
    await hop.upstream.request(hop.upstream.requests.length)
    socket.write(smuggled())
    await until(() => received().endsWith(smuggled()), 'what was held back arrives')
    expect(before).toContain('GET /live ')
    expect(before).not.toMatch(/first|smuggled/)
    expect(received()).toContain(`first${smuggled()}`)
    expect(hop.upstream.requests.some(({ target }) => target === '/orders/smuggled')).toBe(false)
    socket.destroy()
  })
})

describe('E11 and pattern E02: when the upstream says something else', () => {
  startForGroup()

  it.each<[string, number, string]>([
    ['426', 426, response(426, 'no', { Upgrade: 'websocket', Connection: 'Upgrade' })],
    ['200', 200, response(200, 'plain')],
    ['401', 401, response(401, 'who')],
    ['404 in chunks', 404, 'HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n'],
    [
      '200 and the fields of a 101',
      200,
      accepted.replace('101 Switching Protocols\r\n', '200 OK\r\nContent-Length: 0\r\n'),
    ],
  ])('E11 pattern E02 leaves no tunnel when the upstream says %s', async (_, status, answer) => {
    const events = hop.lines.length
    hop.upstream.enqueue(answer)
    const socket = await openRaw(hop.port)
    const reading = readAnswer(socket)
    socket.write(`${upgrade()}${smuggled()}`)
    const index = hop.upstream.requests.length
    const { connection } = await hop.upstream.request(index)
    const writing = setInterval(() => socket.write(smuggled()), 5)
    const got = await reading
    clearInterval(writing)
    expect([statuses(got), got.closed]).toEqual([[status], true])
    await until(() => hop.upstream.connections[connection]?.isOpen === false, 'its connection is closed')
    expect(received()).not.toContain('smuggled')
    expect(await hop.event(events)).toMatchObject({ status })
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })

  const expectNoTunnel = async (answer: Answer): Promise<void> => {
    const events = hop.lines.length
    hop.upstream.enqueue(answer)
    const index = hop.upstream.requests.length
    const got = await sendRaw(hop.port, `${upgrade()}${smuggled()}`)
    expect([statuses(got), got.closed]).toEqual([[502], true])
    const connection = hop.upstream.requests[index]?.connection ?? -1
    await until(() => hop.upstream.connections[connection]?.isOpen === false, 'its connection is closed')
    expect(received()).not.toContain('smuggled')
    expect(got.raw.toString('latin1')).not.toContain('poison')
    expect(await hop.event(events)).toMatchObject({ refusal: 'upstream.malformed', status: 502 })
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  }

  it.each<[string, string]>([
    ['another protocol', switching('Connection: Upgrade', 'Upgrade: h2c', `Sec-WebSocket-Accept: ${accept}`)],
    ['a list of protocols', switching('Connection: Upgrade', 'Upgrade: websocket, h2c')],
  ])('E11 pattern E02 leaves no tunnel when the upstream says 101 with %s', async (_, answer) => {
    await expectNoTunnel(`${answer}poison`)
  })

  it.each<[string, string]>([
    ['no protocol', switching('Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`)],
    ['a bare carriage return', accepted.replace('Upgrade: websocket', 'Upgrade: websocket\rX-Poison: 1')],
    ['a field without a colon', accepted.replace('\r\n\r\n', '\r\npoison\r\n\r\n')],
    ['5,000 fields', accepted.replace('\r\n\r\n', `\r\n${'X-A: poison\r\n'.repeat(5_000)}\r\n`)],
    ['another key accepted', accepted.replace(accept, 'c3VwZXJjYWxpZnJhZ2lsaXN0aWM=')],
    ['no key accepted', switching('Connection: Upgrade', 'Upgrade: websocket')],
    ['no Connection', switching('Upgrade: websocket', `Sec-WebSocket-Accept: ${accept}`)],
    [
      'another Connection',
      switching('Connection: close', 'Upgrade: websocket', `Sec-WebSocket-Accept: ${accept}`),
    ],
    ['a body announced', accepted.replace('\r\n\r\n', '\r\nContent-Length: 6\r\n\r\n')],
  ])('E11 leaves no tunnel when the upstream says 101 with %s', async (_, answer) => {
    await expectNoTunnel(`${answer}poison`)
  })

  it.each<[string, string]>([
    ['no version', 'Sec-WebSocket-Version: 13\r\n'],
    ['no key', `Sec-WebSocket-Key: ${key}\r\n`],
  ])('E11 leaves it to the upstream to refuse a handshake with %s', async (_, field) => {
    hop.upstream.enqueue(response(400, 'bad handshake'))
    const got = await sendRaw(hop.port, upgrade().replace(field, ''))
    expect([[[400], true]]).toContainEqual([statuses(got), got.closed])
  })
})

describe('pattern F08: what passes through the tunnel', () => {
  startForGroup()

  const frame = (...bytes: number[]): Buffer => Buffer.from(bytes)
  const frames: readonly (readonly [string, Buffer])[] = [
    ['a frame of 2^63 − 1 bytes', Buffer.concat([frame(0x82, 0xff), Buffer.alloc(8, 0x7f), randomBytes(20)])],
    ['reserved bits', frame(0xff, 0x85, 1, 2, 3, 4, 5, 6, 7, 8, 9)],
    ['a frame without a mask', frame(0x81, 0x02, 0x68, 0x69)],
    ['a long control frame', Buffer.concat([frame(0x89, 0xfe, 0x04, 0x00), randomBytes(1_028)])],
    ['a close with a code', frame(0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa1)],
    ['no frame', Buffer.from('GET /admin HTTP/1.1\r\n\r\n')],
  ]

  it.each(frames)('pattern F08 is what was sent, byte for byte, both ways: %s', async (_, bytes) => {
    const { socket, inner, connection } = await open()
    const before = hop.upstream.connections[connection]?.raw.length ?? 0
    socket.write(bytes)
    await until(
      () => hop.upstream.connections[connection]?.raw.length === before + bytes.length,
      'they arrive',
    )
    expect(hop.upstream.connections[connection]?.raw.subarray(before)).toEqual(bytes)
    const back = readAnswer(socket)
    inner.end(bytes)
    const { raw, closed } = await back
    expect([raw, closed]).toEqual([bytes, true])
  })

  it('pattern F08 keeps 100,000 frames of one byte in order', async () => {
    const { socket, connection } = await open()
    const before = hop.upstream.connections[connection]?.raw.length ?? 0
    const one = (index: number): number[] => [index === 0 ? 0x01 : 0x00, 0x81, 0, 0, 0, 0, index & 0xff]
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => one(index)).flat())
    for (let at = 0; at < bytes.length; at += 7_000) socket.write(bytes.subarray(at, at + 7_000))
    await until(
      () => hop.upstream.connections[connection]?.raw.length === before + bytes.length,
      'they arrive',
    )
    expect(hop.upstream.connections[connection]?.raw.subarray(before).equals(bytes)).toBe(true)
    socket.destroy()
  })

  it('pattern F08 gives the caller what came in one packet with the 101', async () => {
    hop.upstream.enqueue(`${accepted}first`)
    const socket = await openRaw(hop.port)
    const reading = readAnswer(socket, { timeoutMs: 300 })
    socket.write(upgrade())
    expect((await reading).raw.toString()).toMatch(/\r\n\r\nfirst$/)
  })

  it.each(['to the upstream', 'to the caller'])(
    'pattern F08 goes no faster than the other end reads, %s',
    async way => {
      const { socket, inner } = await open()
      const [from, to] = way === 'to the upstream' ? [socket, inner] : [inner, socket]
      to.pause()
      const { bytes, isStuck } = await writeUntilStuck(from, Buffer.alloc(65_536, 'x'))
      expect(isStuck).toBe(true)
      expect(bytes).toBeLessThan(24 * 1024 * 1024)
      let arrived = 0
      to.on('data', chunk => {
        arrived += chunk.length
      })
      to.resume()
      await until(() => arrived >= bytes, 'all of it arrives')
      from.destroy()
      await once(to, 'close')
    },
  )

  it('pattern F08 refuses a handshake of 5,000 fields', async () => {
    const fields = Array.from({ length: 5_000 }, () => 'A:')
    await hop.expectRefused(upgrade('/live', ...fields), 'request.header_too_large')
  })

  it('pattern F08 leaves nothing open behind 100 tunnels that are broken off', async () => {
    hop.upstream.answerWith(accepted)
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const socket = await openRaw(hop.port)
        socket.write(upgrade())
        await once(socket, 'data')
        if (index % 2 === 0) socket.resetAndDestroy()
        else socket.end(randomBytes(100))
      }),
    )
    const tunnels = (): number =>
      hop.upstream.connections.filter(({ isOpen, raw }) => isOpen && raw.includes('GET /live ')).length
    await until(() => tunnels() === 0, 'their upstream connections are closed')
    hop.upstream.answerWith(usual)
    await hop.expectServed()
  })
})
