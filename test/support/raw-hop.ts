import { expect } from 'vitest'
import {
  type AttackedHop,
  type Denial,
  malformedCredentials,
  readClaims,
  startAttackedHop,
} from './attacked-hop.ts'
import { expectNoToken } from './no-token.ts'
import { type RawResponse, sendRaw } from './raw-client.ts'
import type { HopOptions, RecordedEvent } from './start-hop.ts'
import type { RecordedRequest } from './upstream.ts'

export const malformedRequest: Denial = { code: 'request.malformed', status: 400 }
export const targetTooLong: Denial = { code: 'request.target_too_long', status: 414 }
export const methodNotSupported: Denial = { code: 'request.method', status: 501 }
export const routeNotFound: Denial = { code: 'route.not_found', status: 404 }
export const methodNotAllowed: Denial = { code: 'route.method_not_allowed', status: 405 }
export const tokenMissing: Denial = {
  code: 'token.missing',
  status: 401,
  challenge: 'Bearer realm="orders"',
}
export const tokenAmbiguous: Denial = { ...malformedCredentials, code: 'token.ambiguous' }

export interface Refused {
  readonly answer: RawResponse
  readonly event: RecordedEvent
  /** The route in the record; undefined when the request got to none. */
  readonly route: string | undefined
}

export interface Admitted extends Refused {
  readonly request: RecordedRequest
}

/** An attacked sidecar that is sent requests byte for byte. */
export interface RawHop extends AttackedHop {
  /** A good token for the scope `orders:read`; nothing of it may ever be seen behind the sidecar or in what it writes. */
  readonly token: string
  /**
   * Sends bytes and asserts that they are refused as stated: one answer that says nothing else, nothing at the upstream
   * and no exchange, exactly one event, of that code, and no token anywhere. Then sends the twin, which must pass.
   *
   * @param secrets further texts of which nothing may be written
   */
  expectRefused(bytes: string | Buffer, denial: Denial, secrets?: readonly string[]): Promise<Refused>
  /**
   * Sends bytes and asserts that they are one request that the upstream got: with one token of the server when the
   * route is protected, else without any, and with the path that policy and record saw, byte for byte.
   */
  expectAdmitted(bytes: string | Buffer): Promise<Admitted>
}

/** Two areas: what anybody may see, and what takes a token with a scope. */
export const rawRoutes = `
  - { path: '/public/**', public: true }
  - { path: '/orders/**', audience: orders-api, scope: orders:read }
  - { path: '/admin/**', audience: orders-api, scope: admin }`

/** A request without a body: the start line without its version, then field lines. */
export function bytesOf(start: string, ...fields: readonly string[]): string {
  const hasHost = fields.some(field => /^host:/i.test(field))
  const lines = hasHost ? fields : ['Host: orders.test', ...fields]
  return `${start} HTTP/1.1\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`
}

/**
 * @param options.twin the request that passes, sent after each one that is refused; default: `GET /orders/twin` with
 *   the token
 */
export async function startRawHop({
  twin: chosenTwin,
  ...options
}: HopOptions & { readonly twin?: string } = {}): Promise<RawHop> {
  const hop = await startAttackedHop({ routes: rawRoutes, ...options })
  const token = await hop.issuer.sign({ scope: 'orders:read' })
  const twin = chosenTwin ?? bytesOf('GET /orders/twin', `Authorization: Bearer ${token}`)

  const mark = () => ({
    events: hop.lines.length,
    log: hop.log.length,
    requests: hop.upstream.requests.length,
    exchanges: hop.server.tokenRequests.length,
    bytes: hop.upstream.connections.reduce((sum, { raw }) => sum + raw.length, 0),
  })
  const routeAt = (index: number): string | undefined => JSON.parse(hop.lines[index] ?? '{}').subject
  const send = async (bytes: string | Buffer): Promise<RawResponse> => {
    const answer = await sendRaw(hop.port, bytes, { responses: 1 })
    expect(answer.responses, answer.raw.toString('latin1')).toHaveLength(1)
    return answer.responses[0] as RawResponse
  }
  const expectNothingWritten = (
    answer: RawResponse,
    from: ReturnType<typeof mark>,
    secrets: readonly string[],
  ): void => {
    const written = [
      answer.raw.toString('latin1'),
      ...hop.lines.slice(from.events),
      ...hop.log.slice(from.log),
    ]
    expectNoToken(written.join('\n'), [token, ...secrets])
  }
  const expectAdmitted: RawHop['expectAdmitted'] = async bytes => {
    const from = mark()
    const answer = await send(bytes)
    const event = await hop.event(from.events)
    expect({ status: answer.status, refusal: event.refusal, detail: event.detail }).toEqual({ status: 200 })
    expect(hop.upstream.requests).toHaveLength(from.requests + 1)
    const request = hop.upstream.requests[from.requests] as RecordedRequest
    expect(request.target.split('?')[0]).toBe(event['path'])
    expect(request.raw.includes(token.split('.')[2] ?? token)).toBe(false)
    const issued = request.headerAll('authorization')
    expect(issued).toHaveLength('outbound' in event ? 1 : 0)
    for (const value of issued) expect(readClaims(value)).toMatchObject({ iss: hop.server.issuer })
    expectNothingWritten(
      answer,
      from,
      issued.map(value => value.replace('Bearer ', '')),
    )
    return { answer, event, request, route: routeAt(from.events) }
  }

  // The first exchange is behind us: the twin asks nobody any more.
  await expectAdmitted(twin)
  return {
    ...hop,
    token,
    expectAdmitted,
    async expectRefused(bytes, denial, secrets = []) {
      const from = mark()
      const answer = await send(bytes)
      const event = await hop.event(from.events)
      expect({ status: answer.status, code: event.refusal }).toEqual({
        status: denial.status,
        code: denial.code,
      })
      expect(answer.header('www-authenticate')).toBe(denial.challenge)
      expect(JSON.parse(answer.text)).toEqual({
        type: 'about:blank',
        title: expect.any(String),
        status: denial.status,
        code: denial.code,
      })
      const { bytes: received, exchanges } = mark()
      expect({ received, exchanges }).toEqual({ received: from.bytes, exchanges: from.exchanges })
      expectNothingWritten(answer, from, secrets)
      // Its event comes after all of those before: counting needs no waiting.
      await expectAdmitted(twin)
      expect(hop.lines).toHaveLength(from.events + 2)
      return { answer, event, route: routeAt(from.events) }
    },
  }
}
