import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRaw, readAnswer, requestRaw, sendRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'
import { handshakeAnswer } from '../support/websocket-bytes.ts'

let hop: RunningHop
let token: string

/** An uncaught exception in a socket's listeners would end the process; here it is kept for the assertion. */
const uncaught: unknown[] = []
const keep = (error: unknown): void => {
  uncaught.push(error)
}

beforeEach(async () => {
  uncaught.length = 0
  process.on('uncaughtException', keep)
  hop = await startHop({
    routes: `
  - { path: /live, audience: orders-api, scope: orders:read, websocket: true }
  - { path: /public/live, public: true, websocket: true }`,
    more: 'timeouts: { drain: 200ms, upstream_headers: 20s, body_idle: 5s }',
  })
  token = await hop.issuer.sign({ scope: 'orders:read' })
})

afterEach(async () => {
  await hop.close()
  process.off('uncaughtException', keep)
  expect(uncaught).toEqual([])
})

const upgrade = (path = '/live'): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`

/** The upstream has no connection open any more. */
const upstreamIsFree = (): Promise<void> =>
  until(
    () => hop.upstream.connections.every(connection => !connection.isOpen),
    'connections to the upstream are closed',
  )

async function open(): Promise<Socket> {
  hop.upstream.enqueue(handshakeAnswer)
  const socket = await openRaw(hop.port)
  socket.write(upgrade())
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /)
  return socket
}

describe('an open connection', () => {
  it('that the caller resets ends at the upstream too, and the process goes on', async () => {
    const socket = await open()
    socket.write('frame')
    await until(() => hop.upstream.connections[0]?.raw.toString().endsWith('frame') === true, 'a frame')
    socket.resetAndDestroy()
    await upstreamIsFree()
  })

  it('that the upstream resets ends at the caller too', async () => {
    let upstream: Socket | undefined
    hop.upstream.enqueue((_request, socket) => {
      upstream = socket
      return handshakeAnswer
    })
    const socket = await openRaw(hop.port)
    socket.write(upgrade())
    await once(socket, 'data')
    const answer = readAnswer(socket)
    upstream?.resetAndDestroy()
    expect((await answer).closed).toBe(true)
  })

  it('ends with the grace when the sidecar stops', async () => {
    const socket = await open()
    const answer = readAnswer(socket)
    await hop.sidecar.close()
    expect((await answer).closed).toBe(true)
  })
})

describe('a caller that goes away before the upgrade is answered', () => {
  it.each<[string, (socket: Socket) => unknown]>([
    ['by reset', socket => socket.resetAndDestroy()],
    ['by closing', socket => socket.destroy()],
    ['by ending its half', socket => socket.end()],
  ])('%s leaves no connection to the upstream, and one event', async (_name, leave) => {
    hop.upstream.enqueue({ action: 'hang' })
    const socket = await openRaw(hop.port)
    socket.write(upgrade())
    await hop.upstream.request()
    leave(socket)
    expect(await hop.event()).toMatchObject({ refusal: 'client.closed' })
    await upstreamIsFree()
    expect(hop.lines).toHaveLength(1)
  })
})

describe('an upstream that answers an upgrade with something else', () => {
  it('is passed on like any response: challenge replaced, hop-by-hop fields gone, connection closed', async () => {
    hop.upstream.enqueue(
      response(401, 'who?', {
        'WWW-Authenticate': 'Bearer realm="inner", error="invalid_token"',
        'Proxy-Authenticate': 'Basic',
        Authorization: 'Bearer inner',
        Connection: 'keep-alive, X-Inner',
        'X-Inner': '1',
        'Set-Cookie': 'a=1',
      }),
    )
    const answer = await sendRaw(hop.port, upgrade())
    expect(answer.closed).toBe(true)
    const [only] = answer.responses
    expect(only).toMatchObject({ status: 401, text: 'who?', complete: true })
    expect(only?.header('www-authenticate')).toBe('Bearer realm="orders"')
    expect(only?.header('set-cookie')).toBe('a=1')
    expect(only?.header('connection')).toBe('close')
    for (const name of ['proxy-authenticate', 'authorization', 'x-inner', 'keep-alive']) {
      expect(only?.header(name)).toBeUndefined()
    }
    expect(await hop.event()).toMatchObject({ delivery: { status: 401, bytes_out: 4, complete: true } })
  })

  it('with 401 makes the sidecar forget the token', async () => {
    for (let count = 0; count < 2; count++) {
      hop.upstream.enqueue(response(401))
      expect((await requestRaw(hop.port, upgrade())).status).toBe(401)
      expect(await hop.event(count)).toMatchObject({ outbound: { source: 'issued' } })
    }
    hop.upstream.enqueue(response(403), response(403))
    await requestRaw(hop.port, upgrade())
    await requestRaw(hop.port, upgrade())
    expect(await hop.event(3)).toMatchObject({ outbound: { source: 'memory' } })
  })

  it('and breaks off is broken off at the caller, and said to have failed', async () => {
    hop.upstream.enqueue((_request, socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
      return undefined
    })
    const answer = await sendRaw(hop.port, upgrade())
    expect(answer.closed).toBe(true)
    expect(answer.responses[0]?.complete).toBe(false)
    expect(await hop.event()).toMatchObject({ delivery: { status: 200, bytes_out: 4, complete: false } })
  })

  it.each([
    ['a version that is none', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a status that is none', 'HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok'],
    ['two codings', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
  ])('that would be refused without an upgrade is refused: %s', async (_what, bytes) => {
    hop.upstream.enqueue(bytes)
    const answer = await sendRaw(hop.port, upgrade())
    expect([answer.responses.map(({ status }) => status), answer.closed]).toEqual([[502], true])
    expect(await hop.event()).toMatchObject({ refusal: 'upstream.malformed' })
    await upstreamIsFree()
  })

  it.each([
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ])('that is clear is passed on: %s', async (_what, bytes) => {
    hop.upstream.enqueue(bytes)
    expect(await requestRaw(hop.port, upgrade())).toMatchObject({ status: 200, text: 'ok', complete: true })
  })

  it.each<[string, boolean, (socket: Socket) => unknown]>([
    ['is whole when that comes', true, socket => socket.end()],
    ['is not whole when it is reset instead', false, socket => socket.resetAndDestroy()],
  ])('that only the end of its connection ends %s', async (_what, complete, end) => {
    let upstream: Socket | undefined
    hop.upstream.enqueue((_request, socket) => {
      upstream = socket
      return 'HTTP/1.1 200 OK\r\n\r\nsome'
    })
    const socket = await openRaw(hop.port)
    const answer = readAnswer(socket)
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.write(upgrade())
    await until(() => text.includes('some'), 'the beginning')
    if (upstream !== undefined) end(upstream)
    expect((await answer).responses[0]).toMatchObject({
      status: 200,
      text: expect.stringContaining('some'),
      complete,
    })
    const whole = expect.objectContaining({ delivery: expect.objectContaining({ complete: true }) })
    const event = await hop.event()
    if (complete) expect(event).toEqual(whole)
    else expect(event).not.toEqual(whole)
  })

  it('that stands still for too long is not made whole by giving it up', async () => {
    await hop.close()
    hop = await startHop({
      routes: '\n  - { path: /live, public: true, websocket: true }',
      more: 'timeouts: { body_idle: 200ms }',
    })
    hop.upstream.enqueue('HTTP/1.1 200 OK\r\n\r\nsome')
    const answer = await sendRaw(hop.port, upgrade(), { timeoutMs: 9_000 })
    expect(answer.responses[0]).toMatchObject({ status: 200, complete: false })
    expect(answer.closed).toBe(true)
    await upstreamIsFree()
  })

  it('may send 32 interim responses before it, and is refused with one more', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\n\r\n'
    for (const [count, status] of [
      [32, 101],
      [33, 502],
    ] as const) {
      hop.upstream.enqueue((_request, socket) => {
        socket.write(hints.repeat(count))
        return handshakeAnswer
      })
      const answer = await sendRaw(hop.port, upgrade(), { responses: 1 })
      expect(answer.responses[0]?.status).toBe(status)
    }
    expect(await hop.event(1)).toMatchObject({ refusal: 'upstream.malformed' })
  })

  it('with 204 says nothing of a length', async () => {
    hop.upstream.enqueue('HTTP/1.1 204 None\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n')
    const answer = await requestRaw(hop.port, upgrade())
    expect([answer.status, answer.header('x-a'), answer.header('content-length')]).toEqual([
      204,
      '1',
      undefined,
    ])
  })

  it('goes no faster than the caller reads, and arrives whole', async () => {
    const size = 32 * 1024 * 1024
    let upstream: Socket | undefined
    hop.upstream.enqueue((_request, socket) => {
      upstream = socket
      return response(200, 'x'.repeat(size))
    })
    const socket = await openRaw(hop.port)
    socket.pause()
    socket.write(upgrade())
    await hop.upstream.request()
    await until(() => (upstream?.writableLength ?? 0) > 0, 'the upstream is held back')
    let received = 0
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    socket.resume()
    await once(socket, 'close')
    expect(received).toBeGreaterThan(size)
    expect(await hop.event()).toMatchObject({ delivery: { status: 200, bytes_out: size, complete: true } })
  })

  it('that cannot be written again is 502, and the process goes on', async () => {
    hop.upstream.enqueue('HTTP/1.1 200 \u0001\r\nContent-Length: 0\r\n\r\n')
    expect((await requestRaw(hop.port, upgrade())).status).toBe(502)
    expect(await hop.event()).toMatchObject({ refusal: 'upstream.malformed' })
  })

  it('on a public route keeps its challenge', async () => {
    hop.upstream.enqueue(response(401, '', { 'WWW-Authenticate': 'Basic realm="inner"' }))
    expect((await requestRaw(hop.port, upgrade('/public/live'))).header('www-authenticate')).toBe(
      'Basic realm="inner"',
    )
  })
})
