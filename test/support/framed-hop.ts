import { expect } from 'vitest'
import { type RefusalAnswer, type RefusalCode, refusals } from '../../src/model/refusal.ts'
import { expectNoToken } from './no-token.ts'
import { type RawAnswer, type RawOptions, requestRaw, sendRaw } from './raw-client.ts'
import { type HopOptions, type RecordedEvent, type RunningHop, startHop } from './start-hop.ts'
import { until } from './until.ts'
import { type Answer, type RecordedRequest, response } from './upstream.ts'

/** A sidecar that is attacked with bytes: every request carries a good token, so only its framing can be refused. */
export interface FramedHop extends RunningHop {
  readonly token: string
  /** A request to `/orders/1`: `POST` with these fields behind `Host` and `Authorization`, then these bytes. */
  post(fields: readonly string[], body?: string): string
  /** A whole `GET` with these fields behind `Host` and `Authorization`. */
  get(path?: string, ...fields: readonly string[]): string
  /**
   * Sends bytes and asserts that they are refused as stated by one answer, that the connection ends, that the upstream
   * heard nothing, that there is exactly one event, that no token is written anywhere, and that the next caller is
   * served.
   */
  expectRefused(bytes: Bytes, code: RefusalCode, options?: RawOptions): Promise<RawAnswer>
  /**
   * Sends bytes whose head is good and whose body is not: the request may be on its way already. Asserts that the caller
   * gets no answer but a refusal, that the connection ends, that the upstream never got a whole request, on a connection
   * that is closed, that there is exactly one event, and that the next caller is served.
   */
  expectBrokenOff(bytes: Bytes): Promise<RawAnswer>
  /** Sends bytes and asserts that they are exactly one request, answered with 200 and recorded once. */
  expectOneRequest(bytes: Bytes, options?: RawOptions): Promise<RecordedRequest>
  /** Asserts that a caller who comes now, on a connection of their own, gets their own answer. */
  expectServed(): Promise<void>
}

type Bytes = string | Buffer | readonly (string | Buffer)[]

export const framedRoutes = `
  - { path: '/orders/**', methods: [GET, HEAD, POST, PUT, DELETE, OPTIONS], audience: orders-api, scope: orders:read }
  - { path: /live, audience: orders-api, scope: orders:read, websocket: true }
  - { path: /public/live, public: true, websocket: true }
  - { path: '/public/**', public: true, methods: [GET, HEAD, POST] }`

/** Starts a sidecar before an upstream that answers 200 to everything. */
export async function startFramedHop(options: HopOptions = {}): Promise<FramedHop> {
  const hop = await startHop({ routes: framedRoutes, ...options })
  const token = await hop.issuer.sign({ scope: 'orders:read' })
  const lines = (fields: readonly string[]): string => fields.map(field => `${field}\r\n`).join('')
  const start = `HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n`
  const receivedBytes = (): number => hop.upstream.connections.reduce((sum, { raw }) => sum + raw.length, 0)
  const mark = () => ({
    events: hop.lines.length,
    log: hop.log.length,
    requests: hop.upstream.requests.length,
    connections: hop.upstream.connections.length,
    bytes: receivedBytes(),
  })
  const expectNothingLeaked = (answer: RawAnswer, from: ReturnType<typeof mark>): void => {
    const issued = new Set(hop.upstream.requests.flatMap(one => one.headerAll('authorization').map(bearer)))
    const written = [
      answer.raw.toString('latin1'),
      ...hop.lines.slice(from.events),
      ...hop.log.slice(from.log),
    ]
    expectNoToken(written.join('\n'), [token, ...issued])
  }
  /** The event of the next caller comes after all others of the callers before, so counting needs no waiting. */
  const expectOneEvent = async (from: ReturnType<typeof mark>): Promise<RecordedEvent> => {
    const event = await hop.event(from.events)
    await framed.expectServed()
    expect(hop.lines).toHaveLength(from.events + 2)
    return event
  }

  // The first exchange is behind us: what follows takes the fast way, without waiting for anything.
  const framed: FramedHop = {
    ...hop,
    token,
    post: (fields, body = '') => `POST /orders/1 ${start}${lines(fields)}\r\n${body}`,
    get: (path = '/orders/1', ...fields) => `GET ${path} ${start}${lines(fields)}\r\n`,
    async expectRefused(bytes, code, raw) {
      const from = mark()
      const answer = await sendRaw(hop.port, bytes, raw)
      const row: RefusalAnswer = refusals[code]
      expect(statuses(answer), answer.raw.toString('latin1')).toEqual([row.status])
      const [refused] = answer.responses
      expect(JSON.parse(refused?.text ?? '')).toMatchObject({ status: row.status, code })
      expect(refused?.header('connection')).toBe('close')
      expect(answer.closed, 'the connection ends').toBe(true)
      expect(receivedBytes(), 'the upstream heard nothing').toBe(from.bytes)
      expect(await expectOneEvent(from)).toMatchObject({ refusal: code, status: row.status })
      expectNothingLeaked(answer, from)
      return answer
    },
    async expectBrokenOff(bytes) {
      const from = mark()
      const answer = await sendRaw(hop.port, bytes)
      expect([[], [400]]).toContainEqual(statuses(answer))
      expect(answer.closed, 'the connection ends').toBe(true)
      const event = await hop.event(from.events)
      expect(['request.malformed', 'client.closed']).toContain(event.refusal)
      await until(
        () => hop.upstream.connections.slice(from.connections).every(({ isOpen }) => !isOpen),
        'connections of the broken request are closed',
      )
      expect(hop.upstream.requests).toHaveLength(from.requests)
      await expectOneEvent(from)
      expectNothingLeaked(answer, from)
      return answer
    },
    async expectOneRequest(bytes, raw) {
      const from = mark()
      const answer = await sendRaw(hop.port, bytes, { quietMs: 20, ...raw })
      expect(statuses(answer), answer.raw.toString('latin1')).toEqual([200])
      expect(await expectOneEvent(from)).toMatchObject({ type: 'io.hopgate.hop.forwarded.v1', status: 200 })
      expect(hop.upstream.requests).toHaveLength(from.requests + 2)
      return hop.upstream.requests[from.requests] as RecordedRequest
    },
    async expectServed() {
      const index = hop.upstream.requests.length
      const answer = await requestRaw(hop.port, framed.get(`/orders/next-${index}`), { timeoutMs: 10_000 })
      expect([answer.status, answer.text]).toEqual([200, 'ok'])
      expect(hop.upstream.requests[index]?.target).toBe(`/orders/next-${index}`)
    },
  }
  await framed.expectServed()
  return framed
}

/** Status codes of the final answers. */
export function statuses(answer: RawAnswer): number[] {
  return answer.responses.map(({ status }) => status)
}

/** Bytes as an upstream may send them, with a length that is right. */
export const usual: Answer = response(200, 'ok')

function bearer(value: string): string {
  return value.replace(/^Bearer /, '')
}
