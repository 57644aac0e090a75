import type { Socket } from 'node:net'
import { expect } from 'vitest'
import { type FramedHop, statuses } from './framed-hop.ts'
import { type RawAnswer, sendRaw } from './raw-client.ts'
import type { RecordedEvent } from './start-hop.ts'
import { until } from './until.ts'
import type { Answer } from './upstream.ts'

/** What became of one request that a hostile upstream answered. */
export interface Outcome {
  readonly answer: RawAnswer
  readonly event: RecordedEvent
  /** Which upstream connection it came on. */
  readonly connection: number
}

/** An answer with a body of its own. If it gets to anybody, what was asserted says so. */
export const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Poison: 1\r\n\r\npoison'

/** The head of a 200 with these fields. */
export function ok(...fields: string[]): string {
  return `HTTP/1.1 200 OK\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`
}

/** Each character as the byte of its code. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Writes bytes, and a moment later ends the connection in some way. */
export function sendAndEnd(bytes: string, end: (socket: Socket) => unknown): Answer {
  return (_request, socket) => {
    socket.write(latin1(bytes), () => setTimeout(() => end(socket), 20))
    return undefined
  }
}

/** The upstream of a sidecar as its enemy: `hop.upstream` answers one request each time, and the outcome is looked at. */
export function createHostileUpstream(hop: FramedHop) {
  /** What becomes of one request that is answered like this. There is one event. */
  async function relay(answer: Answer, request = hop.get()): Promise<Outcome> {
    const [events, requests] = [hop.lines.length, hop.upstream.requests.length]
    hop.upstream.enqueue(answer)
    const received = await sendRaw(hop.port, request, {
      quietMs: 20,
      head: request.startsWith('HEAD'),
      timeoutMs: 10_000,
    })
    const event = await hop.event(events)
    expect(hop.lines).toHaveLength(events + 1)
    return { answer: received, event, connection: hop.upstream.requests[requests]?.connection ?? -1 }
  }

  /** The connection is closed, the next caller is served on another one, and no poison got anywhere. */
  async function expectNotUsedAgain({ answer, connection }: Outcome): Promise<void> {
    expect(answer.raw.toString('latin1')).not.toMatch(/poison/i)
    await until(
      () => hop.upstream.connections[connection]?.isOpen === false,
      'the upstream connection is closed',
      1_500,
    )
    await expectNextServed(connection, false)
  }

  async function expectNextServed(connection: number, isSame: boolean): Promise<void> {
    await hop.expectServed()
    expect(hop.upstream.requests.at(-1)?.connection === connection).toBe(isSame)
  }

  return {
    relay,
    expectNotUsedAgain,

    /** The caller gets 502 and nothing else. */
    async expectMalformed(answer: Answer, request?: string): Promise<void> {
      const outcome = await relay(answer, request)
      const text = outcome.answer.raw.toString('latin1').slice(0, 500)
      expect(statuses(outcome.answer), text).toEqual([502])
      expect(JSON.parse(outcome.answer.responses[0]?.text ?? '')).toMatchObject({
        code: 'upstream.malformed',
      })
      expect(outcome.event).toMatchObject({
        type: 'io.hopgate.hop.failed.v1',
        refusal: 'upstream.malformed',
        status: 502,
      })
      await expectNotUsedAgain(outcome)
    },

    /** The caller gets 502, or the beginning of an answer on a connection that ends before the answer does. */
    async expectNotWhole(answer: Answer, request?: string): Promise<void> {
      const outcome = await relay(answer, request)
      const [only, ...others] = outcome.answer.responses
      expect(others).toEqual([])
      if (only?.status === 502) expect(outcome.event.refusal).toMatch(/^upstream\.(malformed|unreachable)$/)
      else expect([only?.complete ?? false, outcome.answer.closed]).toEqual([false, true])
      expect(outcome.event.type).toBe('io.hopgate.hop.failed.v1')
      await expectNotUsedAgain(outcome)
    },

    /** The caller gets exactly this answer, and the connection goes on to the next one. */
    async expectWhole(answer: Answer, status: number, body: string, request?: string): Promise<RawAnswer> {
      const outcome = await relay(answer, request)
      const [only, ...others] = outcome.answer.responses
      expect([only?.status, only?.complete, only?.text, others]).toEqual([status, true, body, []])
      expect(outcome.event).toMatchObject({ type: 'io.hopgate.hop.forwarded.v1', status })
      await expectNextServed(outcome.connection, true)
      return outcome.answer
    },

    /** The caller gets exactly this answer, or 502; what came with it is lost together with its connection. */
    async expectCutOff(answer: Answer, status: number, body: string, request?: string): Promise<RawAnswer> {
      const outcome = await relay(answer, request)
      const [only, ...others] = outcome.answer.responses
      expect(others).toEqual([])
      if (only?.status !== 502)
        expect([only?.status, only?.complete, only?.text]).toEqual([status, true, body])
      await expectNotUsedAgain(outcome)
      return outcome.answer
    },
  }
}

export type HostileUpstream = ReturnType<typeof createHostileUpstream>
