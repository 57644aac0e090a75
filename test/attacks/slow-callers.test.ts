import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FramedHop, startFramedHop, statuses } from '../support/framed-hop.ts'
import { openRaw, type RawAnswer, readAnswer, requestRaw, sendRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'

/**
 * Slowloris and its family: a caller costs nothing who sends one byte now and then, or reads none, and holds a
 * connection, a place in the upstream's pool and a token for as long as they like. Each wait has its end, whoever is
 * slow is cut off, and whoever is not is served meanwhile.
 */

const limits = { headersMs: 400, keepAliveMs: 300, bodyIdleMs: 1_000 }
let hop: FramedHop
beforeEach(async () => {
  const { headersMs, keepAliveMs, bodyIdleMs } = limits
  hop = await startFramedHop({
    more: `timeouts: { headers: ${headersMs}ms, keep_alive: ${keepAliveMs}ms, body_idle: ${bodyIdleMs}ms, upstream_headers: 5s }`,
  })
})
afterEach(() => hop.close())

/** Sends bytes, and then one byte of `drop` every 50 ms, again and again or as often as said. */
async function drip(
  beginning: string,
  drop: string,
  times = Number.POSITIVE_INFINITY,
): Promise<{ socket: Socket; answer: Promise<RawAnswer> }> {
  const socket = await openRaw(hop.port)
  const answer = readAnswer(socket, { timeoutMs: 10_000 })
  socket.write(beginning)
  let sent = 0
  const dripping = setInterval(() => {
    if (drop === '' || sent === times) clearInterval(dripping)
    else socket.write(drop.charAt(sent++ % drop.length))
  }, 50)
  socket.once('close', () => clearInterval(dripping))
  return { socket, answer }
}

const big = response(200, 'x'.repeat(40_000_000))
const openConnections = (): number => hop.upstream.connections.filter(({ isOpen }) => isOpen).length

describe('E17: a head that does not end', () => {
  it('E17 pattern F07 is answered 408, one byte at a time or none at all', async () => {
    const start = 'GET /orders/1 HTTP/1.1\r\nHost: orders.test\r\n'
    const ways: readonly (readonly [beginning: string, drop: string])[] = [
      ['', hop.get()],
      [start, 'X-A: 1'],
      [start, 'a:\r\n'],
      ['', '\r\n'],
      [start, ''],
    ]
    const events = hop.lines.length
    const bytes = receivedBytes()
    const callers = await Promise.all(ways.map(way => drip(...way)))
    for (const { answer } of callers) {
      const { closed, responses } = await answer
      expect([responses.map(({ status }) => status), closed]).toEqual([[408], true])
    }
    for (const [index] of ways.entries()) {
      expect(await hop.event(events + index)).toMatchObject({ refusal: 'request.timeout', status: 408 })
    }
    expect(receivedBytes()).toBe(bytes)
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + ways.length + 1)
  })

  it('E17 pattern F07 ends a connection on which nothing comes at all', async () => {
    const socket = await openRaw(hop.port)
    const started = performance.now()
    const answer = await readAnswer(socket, { timeoutMs: 10_000 })
    expect(answer.closed).toBe(true)
    expect(performance.now() - started).toBeGreaterThan(limits.headersMs - 50)
  })

  it('E17 pattern F07 ends a second head on a kept connection as well', async () => {
    const { socket, answer } = await drip(hop.get(), 'G')
    expect(statuses(await answer)[0]).toBe(200)
    socket.destroy()
    const again = await drip(`${hop.get()}GET /orders/2 HTTP/1.1\r\nHost: `, 'a')
    const closed = once(again.socket, 'close')
    await closed
  })

  it('E17 pattern F07 reads a head that comes in pieces in time', async () => {
    const socket = await openRaw(hop.port)
    const answer = readAnswer(socket, { responses: 1 })
    for (const piece of hop.get().match(/[\s\S]{1,50}/g) ?? []) {
      socket.write(piece)
      await sleep(5)
    }
    expect(statuses(await answer)).toEqual([200])
  })
})

describe('E17: a body that does not go on', () => {
  it('E17 pattern F07 is cut off, and its upstream connection with it, wherever it stands still', async () => {
    const bodies = [
      hop.post(['Content-Length: 1000'], 'x'),
      hop.post(['Content-Length: 1000']),
      hop.post(['Transfer-Encoding: chunked'], '5\r\nx'),
      hop.post(['Transfer-Encoding: chunked'], '5\r\nhello\r\n'),
      hop.post(['Transfer-Encoding: chunked'], '5'),
    ]
    const events = hop.lines.length
    const callers = await Promise.all(bodies.map(body => drip(body, '')))
    for (const { answer } of callers) {
      const { closed, responses } = await answer
      expect([[], [408]]).toContainEqual(responses.map(({ status }) => status))
      expect(closed).toBe(true)
    }
    for (const [index] of bodies.entries()) {
      expect((await hop.event(events + index)).refusal).toMatch(/^(client\.closed|request\.timeout)$/)
    }
    await hop.expectServed()
    await until(() => openConnections() <= 1, 'the upstream connections of the broken requests are closed')
    expect(hop.lines).toHaveLength(events + bodies.length + 1)
  })

  it('E17 is forwarded as it comes when it goes on, however slowly', async () => {
    const { answer } = await drip(hop.post(['Content-Length: 20']), 'x', 20)
    expect(statuses(await answer)).toEqual([200])
    expect(hop.upstream.requests.at(-1)?.body).toHaveLength(20)
  })
})

describe('E17: an answer that nobody reads', () => {
  it('E17 pattern F07 is given up, and its upstream connection with it', async () => {
    const events = hop.lines.length
    let inner: Socket | undefined
    hop.upstream.enqueue((_request, socket) => {
      inner = socket
      return big
    })
    const socket = await openRaw(hop.port)
    socket.pause()
    socket.write(hop.get())
    await until(() => (inner?.writableLength ?? 0) > 0, 'the upstream is held back')
    await until(() => inner?.destroyed === true, 'the upstream connection is closed')
    const event = await hop.event(events)
    expect(event.type).not.toBe('io.hopgate.hop.forwarded.v1')
    socket.destroy()
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })

  it('E17 arrives whole when it is read, however slowly', async () => {
    hop.upstream.enqueue(big)
    const socket = await openRaw(hop.port)
    socket.write(hop.get('/orders/1', 'Connection: close'))
    let received = 0
    let pauses = 0
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received < (pauses + 1) * 4_000_000) return
      pauses += 1
      socket.pause()
      setTimeout(() => socket.resume(), 50)
    })
    await once(socket, 'close')
    expect(received).toBeGreaterThan(40_000_000)
    expect(pauses).toBeGreaterThan(5)
  })
})

describe('E17: connections without use', () => {
  it('E17 pattern F07 ends a kept connection that is idle', async () => {
    const socket = await openRaw(hop.port)
    const answer = readAnswer(socket, { quietMs: 9_000, timeoutMs: 9_000 })
    socket.write(hop.get())
    expect(await answer).toMatchObject({ closed: true, responses: [{ status: 200 }] })
  })

  it('E17 pattern F07 serves others while 400 are slow in every way, and is rid of them in the end', async () => {
    hop.upstream.answerWith(({ target }) => (target === '/orders/big' ? big : response(200, 'ok')))
    const ways: readonly (() => Promise<Socket>)[] = [
      async () => (await drip('GET /orders/1 HTTP/1.1\r\n', 'X-A: 1\r\n')).socket,
      async () => (await drip(hop.post(['Content-Length: 1000'], 'x'), '')).socket,
      async () => (await openRaw(hop.port)).resume(),
      async () => {
        const socket = await openRaw(hop.port)
        socket.write(hop.get())
        return socket.resume()
      },
    ]
    const sockets = await Promise.all(
      Array.from({ length: 400 }, (_, index) => ways[index % ways.length]?.()),
    )
    const readers = await Promise.all(Array.from({ length: 5 }, () => openRaw(hop.port)))
    for (const reader of readers) reader.pause().write(hop.get('/orders/big'))
    for (let count = 0; count < 30; count++) {
      const answer = await requestRaw(hop.port, hop.get(`/orders/${count}`))
      expect([answer.status, answer.text]).toEqual([200, 'ok'])
    }
    await until(
      () => sockets.every(socket => socket?.destroyed === true),
      'all slow callers are cut off',
      15_000,
    )
    await until(() => openConnections() <= 10, 'and so are their upstream connections')
    for (const reader of readers) reader.destroy()
    await hop.expectServed()
  })

  it('E17 pattern F07 takes no more connections than it may, and new ones when others have ended', async () => {
    const narrow = await startFramedHop({ more: 'limits: { connections: 20 }' })
    const idle = await Promise.all(Array.from({ length: 20 }, () => openRaw(narrow.port)))
    const refused = await readAnswer(await openRaw(narrow.port))
    expect([refused.raw.length, refused.closed]).toEqual([0, true])
    for (const socket of idle) socket.destroy()
    await until(async () => {
      const [first] = (await sendRaw(narrow.port, narrow.get(), { responses: 1 })).responses
      return first?.status === 200
    }, 'a caller is served again')
    await narrow.close()
  })
})

const receivedBytes = (): number => hop.upstream.connections.reduce((sum, { raw }) => sum + raw.length, 0)
