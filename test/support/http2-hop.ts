import { expect } from 'vitest'
import type { Denial } from './attacked-hop.ts'
import type { Field } from './hpack.ts'
import {
  connectHttp2,
  errorCode,
  frame,
  type Http2Answer,
  type Http2RawClient,
  type Http2RawOptions,
  headersFrame,
  requestFields,
} from './http2-raw-client.ts'
import { expectNoToken } from './no-token.ts'
import { type RawHop, startRawHop } from './raw-hop.ts'
import type { HopOptions, RecordedEvent } from './start-hop.ts'
import { until } from './until.ts'
import type { RecordedRequest } from './upstream.ts'

/** What was counted up to a moment. */
export interface Mark {
  readonly events: number
  readonly log: number
  readonly requests: number
  readonly exchanges: number
  /** Bytes that the upstream received. */
  readonly bytes: number
}

/** An attacked sidecar that is sent HTTP/2 frame by frame. */
export interface Http2Hop
  extends Omit<RawHop, 'expectRefused' | 'expectAdmitted' | 'expectForwarded' | 'expectDenied'> {
  connect(options?: Http2RawOptions): Promise<Http2RawClient>
  mark(): Mark
  /** The events since then. */
  eventsSince(from: Mark): RecordedEvent[]
  /** Fields of a `GET /orders/1` with the token and these fields behind it. */
  withToken(more?: readonly Field[], about?: Parameters<typeof requestFields>[1]): Field[]
  /**
   * Sends a header section, then the twin on the same connection. Asserts that the stream is reset with PROTOCOL_ERROR,
   * that neither the upstream nor the token endpoint heard of it, that the twin is served, and that there is one event
   * for the connection, of a malformed request, beside the twin's.
   */
  expectReset(fields: readonly Field[]): Promise<void>
  /** The same for a request that gets to the sidecar's own checks: one answer, as stated, and one event. */
  expectRefused(
    fields: readonly Field[],
    denial: Denial,
  ): Promise<{ answer: Http2Answer; event: RecordedEvent }>
  /** Asserts that a header section is one request, answered with 200 and recorded once. */
  expectForwarded(fields: readonly Field[]): Promise<RecordedRequest>
  /** Asserts that a caller who comes now, on a connection of their own, is served over HTTP/2. */
  expectServed(): Promise<void>
}

/** Two areas as over HTTP/1.1, with methods that have a body, and an area for which a header decides. */
export const http2Routes = `
  - { path: '/public/**', public: true, methods: [GET, POST] }
  - { path: '/orders/**', audience: orders-api, scope: orders:read, methods: [GET, POST] }
  - { path: '/tenants/**', audience: orders-api, scope: orders:read, allow: 'request.headers["x-tenant"] == "a"' }`

/** Starts one before an upstream that answers 200 to everything. */
export async function startHttp2Hop(options: HopOptions = {}): Promise<Http2Hop> {
  const hop = await startRawHop({ routes: http2Routes, ...options })
  const mark = (): Mark => ({
    events: hop.lines.length,
    log: hop.log.length,
    requests: hop.upstream.requests.length,
    exchanges: hop.server.tokenRequests.length,
    bytes: hop.upstream.connections.reduce((sum, { raw }) => sum + raw.length, 0),
  })
  const eventsSince = (from: Mark): RecordedEvent[] =>
    hop.lines.slice(from.events).map(line => {
      const event = JSON.parse(line)
      return { ...event.data, type: event.type }
    })
  const withToken: Http2Hop['withToken'] = (more = [], about = {}) =>
    requestFields([['authorization', `Bearer ${hop.token}`], ...more], { path: '/orders/1', ...about })
  const twin = headersFrame(3, withToken([], { path: '/orders/twin' }))

  /** What was asked is answered, and nothing but the twin was heard of behind the sidecar. */
  const expectTwin = async (client: Http2RawClient, from: Mark): Promise<void> => {
    const before = mark()
    expect({ ...before, events: 0, log: 0 }).toEqual({ ...from, events: 0, log: 0 })
    client.send(twin)
    const { status, text } = await client.answer(3)
    expect({ status, text }).toEqual({ status: 200, text: 'ok' })
    expect(hop.upstream.requests.slice(from.requests).map(({ target }) => target)).toEqual(['/orders/twin'])
  }
  const expectNothingWritten = (client: Http2RawClient, from: Mark): void => {
    const issued = hop.upstream.requests.flatMap(one => one.headerAll('authorization'))
    const answers = client.frames.map(({ payload }) => payload.toString('latin1'))
    const written = [...answers, ...hop.lines.slice(from.events), ...hop.log.slice(from.log)]
    const tokens = new Set(issued.map(value => value.replace('Bearer ', '')))
    expectNoToken(written.join('\n'), [hop.token, ...tokens])
  }
  const connect: Http2Hop['connect'] = about => connectHttp2(hop.port, about)

  const attacked: Http2Hop = {
    ...hop,
    connect,
    mark,
    eventsSince,
    withToken,
    async expectReset(fields) {
      const from = mark()
      const client = await connect()
      client.send(headersFrame(1, fields))
      const { status, reset } = await client.answer(1)
      expect({ status, reset }).toEqual({ status: 0, reset: errorCode.protocol })
      await expectTwin(client, from)
      client.destroy()
      await until(() => hop.lines.length >= from.events + 2, 'the event of the connection')
      await attacked.expectServed()
      expect(hop.lines).toHaveLength(from.events + 3)
      const [first, second] = eventsSince(from)
      expect(first).toMatchObject({ path: '/orders/twin', status: 200 })
      expect(second).toMatchObject({ refusal: 'request.malformed', status: 400 })
      expectNothingWritten(client, from)
    },
    async expectRefused(fields, denial) {
      const from = mark()
      const client = await connect()
      client.send(headersFrame(1, fields))
      const answer = await client.answer(1)
      const event = await hop.event(from.events)
      expect({ status: answer.status, code: event.refusal, detail: event.detail }).toMatchObject({
        status: denial.status,
        code: denial.code,
      })
      expect(answer.header('www-authenticate')).toBe(denial.challenge)
      expect(JSON.parse(answer.text)).toMatchObject({ status: denial.status, code: denial.code })
      await expectTwin(client, from)
      client.destroy()
      await attacked.expectServed()
      expect(hop.lines).toHaveLength(from.events + 3)
      expectNothingWritten(client, from)
      return { answer, event }
    },
    async expectForwarded(fields) {
      const from = mark()
      const client = await connect()
      client.send(headersFrame(1, fields))
      const answer = await client.answer(1)
      const event = await hop.event(from.events)
      expect({ status: answer.status, refusal: event.refusal, detail: event.detail }).toEqual({ status: 200 })
      expect(hop.upstream.requests).toHaveLength(from.requests + 1)
      const request = hop.upstream.requests[from.requests] as RecordedRequest
      expect(request.target.split('?')[0]).toBe(event['path'])
      client.destroy()
      await attacked.expectServed()
      expect(hop.lines).toHaveLength(from.events + 2)
      expectNothingWritten(client, from)
      return request
    },
    async expectServed() {
      const from = mark()
      const client = await connect()
      client.send(headersFrame(1, withToken([], { path: '/orders/next' })))
      const { status, text } = await client.answer(1)
      expect({ status, text }).toEqual({ status: 200, text: 'ok' })
      await until(() => hop.lines.length > from.events, 'the event of the next caller')
      client.destroy()
    },
  }
  await attacked.expectServed()
  return attacked
}

/** Frames of one kind, many times, in one piece. */
export function repeat(count: number, make: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index)))
}

/** A CONTINUATION that does not end the header section. */
export function continuationFrame(streamId: number, block: Buffer): Buffer {
  return frame(9, 0, streamId, block)
}
