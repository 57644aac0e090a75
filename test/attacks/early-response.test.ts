import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FramedHop, startFramedHop, statuses, usual } from '../support/framed-hop.ts'
import { openRaw, type RawAnswer, readAnswer } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { type Answer, response, startUpstream, type Upstream } from '../support/upstream.ts'

/**
 * The answer comes while the question is still being asked: an upstream says 413 and hangs up, a caller gives up in the
 * middle of the answer. What is left of the one body or the other must not be read as the next message, and nothing of
 * either may be held on to.
 */

let upstream: Upstream
let hop: FramedHop
beforeEach(async () => {
  upstream = await startUpstream({ answerAtHead: true })
  hop = await startFramedHop({
    upstream,
    more: 'timeouts: { upstream_headers: 2s, body_idle: 500ms, keep_alive: 100ms }',
  })
  hop.upstream.clear()
})
afterEach(async () => {
  await hop.close()
  await upstream.close()
})

const bodyBytes = 5_000_000

/** A caller who sends the head and the beginning of a long body, and then waits. */
async function begin(answer: Answer, ...fields: string[]) {
  const events = hop.lines.length
  upstream.enqueue(answer)
  const socket = await openRaw(hop.port)
  socket.write(hop.post([`Content-Length: ${bodyBytes}`, ...fields]) + 'x'.repeat(50_000))
  return { socket, events }
}

const isOpen = (connection: number): boolean => upstream.connections[connection]?.isOpen === true

describe('E15 pattern E15: an answer while the caller still sends', () => {
  const tooLarge = response(413, 'too large', { Connection: 'close' })

  it.each<[string, (socket: Socket) => unknown]>([
    ['ends the connection', socket => socket.end(tooLarge)],
    [
      'resets the connection',
      socket => socket.write(tooLarge, () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ],
    ['leaves the connection open', socket => socket.write(tooLarge)],
  ])('E15 pattern E15 gives it to the caller when the upstream then %s', async (_, end) => {
    const { socket, events } = await begin((_request, its) => {
      end(its)
      return undefined
    })
    const answer = await readAnswer(socket, { quietMs: 4_000 })
    expect(statuses(answer)).toEqual([413])
    expect([answer.responses[0]?.complete, answer.responses[0]?.text]).toEqual([true, 'too large'])
    expect(answer.closed, 'nobody reads the rest of the body').toBe(true)
    const used = upstream.requests[0]?.connection ?? -1
    await until(() => !isOpen(used), 'the upstream connection is closed')
    expect(await hop.event(events)).toMatchObject({ status: 413 })
    await hop.expectServed()
    expect(upstream.requests.at(-1)?.connection).not.toBe(used)
    expect(hop.lines).toHaveLength(events + 2)
  })

  it('pattern E15 sends nobody along with the rest of a body that is still under way', async () => {
    const { socket, events } = await begin(response(200, 'early'))
    const [first] = await once(socket, 'data')
    expect(String(first)).toMatch(/^HTTP\/1\.1 200 /)
    const used = upstream.requests[0]?.connection
    for (let count = 0; count < 3; count++) {
      await hop.expectServed()
      expect(upstream.requests.at(-1)?.connection).not.toBe(used)
    }
    socket.destroy()
    await hop.event(events)
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 5)
  })

  it('pattern E15 does not take the rest of a body for a request of the caller', async () => {
    const smuggled = hop.get('/orders/smuggled')
    const { socket } = await begin(response(200, 'early'))
    await once(socket, 'data')
    const closed = once(socket, 'close')
    socket.resume().write(smuggled.repeat(100))
    await closed
    await hop.expectServed()
    expect(upstream.requests.some(({ target }) => target === '/orders/smuggled')).toBe(false)
    expect(hop.lines.some(line => line.includes('/orders/smuggled'))).toBe(false)
  })

  it('pattern E15 answers 502 and ends when the upstream hangs up without a word', async () => {
    const { socket, events } = await begin({ action: 'reset' })
    const answer = await readAnswer(socket, { quietMs: 4_000 })
    expect([[502], []]).toContainEqual(statuses(answer))
    expect(answer.closed).toBe(true)
    expect(await hop.event(events)).toMatchObject({ type: 'io.hopgate.hop.failed.v1' })
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })

  it('E12 pattern E14 gives one final answer when the upstream refuses a body that was asked for', async () => {
    const { socket, events } = await begin(response(401, 'no'), 'Expect: 100-continue')
    const answer: RawAnswer = await readAnswer(socket, { quietMs: 4_000 })
    expect(answer.interim.map(({ status }) => status)).toEqual([100])
    expect(statuses(answer)).toEqual([401])
    expect(await hop.event(events)).toMatchObject({ status: 401 })
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })
})

describe('pattern E15: a caller who gives up in the middle of the answer', () => {
  it.each<[string, (socket: Socket) => unknown]>([
    ['resets', socket => socket.resetAndDestroy()],
    ['closes', socket => socket.destroy()],
  ])('pattern E15 who %s takes the upstream connection along', async (_, leave) => {
    const events = hop.lines.length
    upstream.enqueue(async (_request, its) => {
      its.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
      its.write(Buffer.alloc(1_000_000, 'x'))
      return undefined
    })
    const socket = await openRaw(hop.port)
    socket.write(hop.get())
    await once(socket, 'data')
    const used = upstream.requests[0]?.connection ?? -1
    leave(socket)
    await until(() => !isOpen(used), 'the upstream connection is closed')
    expect(await hop.event(events)).toMatchObject({ type: expect.stringMatching(/refused|failed/) })
    upstream.answerWith(usual)
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 2)
  })

  it('pattern E15 leaves nothing open behind 200 of them', async () => {
    const before = upstream.connections.filter(({ isOpen: open }) => open).length
    const events = hop.lines.length
    upstream.answerWith((_request, its) => {
      its.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
      return undefined
    })
    for (let round = 0; round < 4; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const socket = await openRaw(hop.port)
          socket.write(hop.get())
          await once(socket, 'data')
          socket.resetAndDestroy()
        }),
      )
    }
    await until(
      () => upstream.connections.filter(({ isOpen: open }) => open).length <= before,
      'their upstream connections are closed',
    )
    await hop.event(events + 199)
    upstream.answerWith(usual)
    await hop.expectServed()
    expect(hop.lines).toHaveLength(events + 201)
  })
})
