import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FramedHop, startFramedHop, statuses, usual } from '../support/framed-hop.ts'
import { openRaw, readAnswer, requestRaw, sendRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { type Answer, startUpstream } from '../support/upstream.ts'
import { writeUntilStuck } from '../support/write-until-stuck.ts'

/**
 * Bodies that are too much: more than the service behind may be sent, more than anybody without a token should be read
 * of, more than fits into the memory when one end is faster than the other. And the one that never ends on purpose, an
 * event stream. What 1 GiB does to the memory of a real process: `test/e2e/large-bodies.test.ts`.
 */

let hop: FramedHop
let open: FramedHop[] = []
const start = async (
  more: string,
  upstream?: Awaited<ReturnType<typeof startUpstream>>,
): Promise<FramedHop> => {
  const started = await startFramedHop({ more, ...(upstream !== undefined && { upstream }) })
  open.push(started)
  return started
}
afterEach(async () => {
  await Promise.all(open.map(each => each.close()))
  open = []
})

const chunk = (size: number): string => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
const chunked = 'Transfer-Encoding: chunked'
const lastChunk = '0\r\n\r\n'

describe('E19: a body above the limit', () => {
  beforeEach(async () => {
    hop = await start('limits: { body: 1KiB }\ntimeouts: { body_idle: 2s }')
  })

  it.each([1_025, 5_000_000_000, Number.MAX_SAFE_INTEGER])(
    'E19 is refused before it is read, with a length of %i',
    async length => {
      await hop.expectRefused(hop.post([`Content-Length: ${length}`]), 'request.body_too_large')
      const expecting = hop.post([`Content-Length: ${length}`, 'Expect: 100-continue'])
      expect((await hop.expectRefused(expecting, 'request.body_too_large')).interim).toEqual([])
    },
  )

  it.each([
    ['in one chunk', chunk(1_025)],
    ['in many chunks', chunk(100).repeat(11)],
    ['whose chunk says so', `401\r\n${'x'.repeat(1_025)}`],
  ])('E19 is refused as soon as there is too much of it: %s', async (_, body) => {
    await expectTooLarge(body)
  })

  it('E19 is refused before the upstream has got all of it, when all of it comes at once', async () => {
    await expectTooLarge(chunk(2_000) + lastChunk)
  })

  const expectTooLarge = async (body: string): Promise<void> => {
    const events = hop.lines.length
    const requests = hop.upstream.requests.length
    const answer = await sendRaw(hop.port, hop.post([chunked], body))
    expect([statuses(answer), answer.closed]).toEqual([[413], true])
    expect(await hop.event(events)).toMatchObject({ refusal: 'request.body_too_large', status: 413 })
    expect(hop.upstream.requests).toHaveLength(requests)
    await until(
      () => hop.upstream.connections.every(({ raw, isOpen }) => !isOpen || !raw.includes('POST')),
      'its upstream connection is closed',
    )
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  }

  it('E19 is forwarded at exactly the limit', async () => {
    const sized = await hop.expectOneRequest(hop.post(['Content-Length: 1024'], 'x'.repeat(1_024)))
    const inChunks = await hop.expectOneRequest(hop.post([chunked], chunk(1_000) + chunk(24) + lastChunk))
    expect([sized.body.length, inChunks.body.length]).toEqual([1_024, 1_024])
  })
})

describe('pattern F12: a body without a token', () => {
  beforeEach(async () => {
    hop = await start('timeouts: { body_idle: 2s }')
  })

  const anonymous = (...fields: string[]): string =>
    `POST /orders/1 HTTP/1.1\r\nHost: orders.test\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`

  it.each([
    ['of 5 GB', 'Content-Length: 5000000000', Buffer.alloc(65_536, 'x')],
    ['without end', chunked, Buffer.from(chunk(65_536))],
  ])('pattern F12 %s is refused at once, and the connection soon ends', async (_, field, piece) => {
    const events = hop.lines.length
    const bytes = receivedBytes()
    const socket = await openRaw(hop.port)
    const reading = readAnswer(socket, { quietMs: 10_000, timeoutMs: 10_000 })
    socket.write(anonymous(field))
    await hop.event(events)
    const written = await writeUntilStuck(socket, piece, 200_000_000, 10_000)
    const answer = await reading
    expect([statuses(answer), answer.closed]).toEqual([[401], true])
    expect(written.bytes).toBeLessThan(32_000_000)
    expect(receivedBytes()).toBe(bytes)
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })

  it('pattern F12 that is short leaves a connection that can be used again', async () => {
    const bytes = `${anonymous('Content-Length: 100000')}${'x'.repeat(100_000)}${hop.get()}`
    const answer = await sendRaw(hop.port, bytes, { responses: 2 })
    expect(statuses(answer)).toEqual([401, 200])
  })

  it('pattern F12 is not searched for one', async () => {
    const form = `access_token=${hop.token}`
    const fields = ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${form.length}`]
    const events = hop.lines.length
    const { status, raw } = await requestRaw(hop.port, anonymous(...fields) + form)
    expect(status).toBe(401)
    expect(await hop.event(events)).toMatchObject({ refusal: 'token.missing' })
    const written = [raw.toString('latin1'), ...hop.lines, ...hop.log].join('\n')
    expect(written).not.toContain(hop.token.slice(-20))
    expect(hop.upstream.requests.every(({ method }) => method !== 'POST')).toBe(true)
  })
})

describe('E19: a body that one end is slower with', () => {
  it('E19 is sent no faster than the upstream reads, and arrives whole', async () => {
    const upstream = await startUpstream({ answerAtHead: true })
    hop = await start('timeouts: { body_idle: 5s }', upstream)
    let inner: Socket | undefined
    let headEnd = 0
    upstream.enqueue(({ raw }, socket) => {
      inner = socket.pause()
      headEnd = socket.bytesRead - raw.length + raw.indexOf('\r\n\r\n') + 4
      return undefined
    })
    const socket = await openRaw(hop.port)
    const total = 64 * 1024 * 1024
    const piece = Buffer.alloc(65_536, 'x')
    socket.write(hop.post([`Content-Length: ${total}`]))
    const first = await writeUntilStuck(socket, piece, total, 600)
    expect(first.isStuck).toBe(true)
    expect(first.bytes).toBeLessThan(24 * 1024 * 1024)

    inner?.removeAllListeners('data').on('data', () => {
      if (inner?.bytesRead !== headEnd + total) return
      inner.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    })
    inner?.resume()
    const reading = readAnswer(socket, { responses: 1, timeoutMs: 20_000 })
    const rest = await writeUntilStuck(socket, piece, total - first.bytes, 20_000)
    expect(first.bytes + rest.bytes).toBe(total)
    expect(statuses(await reading)).toEqual([200])
    await upstream.close()
  })
})

describe('pattern F15: an event stream', () => {
  const events = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n'
  let inner: Socket

  beforeEach(async () => {
    hop = await start('timeouts: { body_idle: 2s }')
  })

  /** A stream that is open: its head and first event have come to the caller. */
  async function stream(path = '/orders/events'): Promise<{ socket: Socket; received: () => string }> {
    const answer: Answer = (_request, socket) => {
      inner = socket
      return `${events}Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n`
    }
    hop.upstream.enqueue(answer)
    const socket = await openRaw(hop.port)
    let text = ''
    socket.on('data', chunkOf => {
      text += chunkOf
    })
    socket.write(hop.get(path, 'Accept: text/event-stream'))
    await until(() => text.includes('data: 1\n\n'), 'the first event comes while there is no second one')
    return { socket, received: () => text }
  }

  it('pattern F15 gives each event to the caller before the next one is there', async () => {
    const { received } = await stream()
    for (let count = 2; count < 20; count++) {
      const event = `data: ${count}\n\n`
      inner.write(`${event.length.toString(16)}\r\n${event}\r\n`)
      await until(() => received().includes(event), `event ${count}`)
    }
  })

  it('pattern F15 goes on while comments come, and is cut off when nothing comes', async () => {
    const { socket, received } = await stream()
    for (let count = 0; count < 10; count++) {
      await sleep(300)
      inner.write('3\r\n:\n\n\r\n')
    }
    await until(() => received().split(':\n\n').length === 11, 'every comment')
    expect(socket.destroyed).toBe(false)
    await once(socket, 'close')
    expect(received()).not.toMatch(/0\r\n\r\n$/)
    await until(() => inner.destroyed, 'the upstream connection is closed')
  })

  it('pattern F15 ends at the upstream when the caller goes', async () => {
    const before = hop.lines.length
    const { socket } = await stream()
    socket.destroy()
    await until(() => inner.destroyed, 'the upstream connection is closed')
    await hop.event(before)
    hop.upstream.answerWith(usual)
    await hop.expectServed()
    expect(hop.lines).toHaveLength(before + 2)
  })

  it('pattern F15 is held back when the caller does not read', async () => {
    const { socket } = await stream()
    socket.pause()
    const event = `data: ${'x'.repeat(65_536)}\n\n`
    const piece = `${event.length.toString(16)}\r\n${event}\r\n`
    const { bytes, isStuck } = await writeUntilStuck(inner, piece)
    expect(isStuck).toBe(true)
    expect(bytes).toBeLessThan(24 * 1024 * 1024)
  })

  it('pattern F15 that has begun goes on when its token has ended', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2
    const token = await hop.issuer.sign({ scope: 'orders:read', exp })
    const request = hop.get('/orders/events').replace(hop.token, token)
    hop.upstream.enqueue((_request, socket) => {
      inner = socket
      return `${events}Connection: close\r\n\r\ndata: 1\n\n`
    })
    const socket = await openRaw(hop.port)
    const reading = readAnswer(socket, { timeoutMs: 9_000 })
    socket.write(request)
    while (Date.now() / 1000 < exp + 0.3) {
      await sleep(200)
      inner?.write(':\n\n')
    }
    inner.end('data: 2\n\n')
    expect((await reading).responses[0]?.text).toMatch(/^data: 1\n\n(:\n\n)+data: 2\n\n$/)
    expect((await requestRaw(hop.port, request)).status).toBe(401)
  })
})

const receivedBytes = (): number => hop.upstream.connections.reduce((sum, { raw }) => sum + raw.length, 0)
