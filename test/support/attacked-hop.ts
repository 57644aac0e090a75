import { expect } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import type { RefusalCode } from '../../src/model/refusal.ts'
import {
  type ReceivedTokenRequest,
  startAuthorizationServer,
  type TestAuthorizationServer,
  type TokenScript,
} from './authorization-server.ts'
import { type RawResponse, requestRaw } from './raw-client.ts'
import { type HopOptions, type RecordedEvent, type RunningHop, startHop } from './start-hop.ts'
import type { TestIssuer } from './tokens.ts'
import type { RecordedRequest } from './upstream.ts'

/** How a refusal must look, written out so that a change of the refusal table is noticed. */
export interface Denial {
  readonly code: RefusalCode
  readonly status: number
  /** The whole `WWW-Authenticate` value; absent: there must be none. */
  readonly challenge?: string
}

export const invalidToken: Denial = {
  code: 'token.invalid',
  status: 401,
  challenge: 'Bearer realm="orders", error="invalid_token"',
}
export const malformedCredentials: Denial = {
  code: 'token.malformed',
  status: 400,
  challenge: 'Bearer realm="orders", error="invalid_request"',
}
export const headerTooLarge: Denial = { code: 'request.header_too_large', status: 431 }
export const notPermitted: Denial = { code: 'policy.denied', status: 403 }
export const keysUnavailable: Denial = { code: 'token.keys_unavailable', status: 503 }
export const scopeMissing: Denial = {
  code: 'policy.scope_missing',
  status: 403,
  challenge: 'Bearer realm="orders", error="insufficient_scope", scope="orders:read"',
}

/**
 * A sidecar whose authorization server issues to anybody for anything: nothing but the sidecar's own checks stands
 * between a bad token and the upstream.
 */
export interface AttackedHop extends RunningHop {
  readonly server: TestAuthorizationServer
  /** YAML of its `exchange`, for a reload. */
  readonly exchange: string
  /** `GET /orders/1` with this `Authorization` value. */
  get(authorization: string, path?: string): Promise<RawResponse>
  /**
   * Sends a token and asserts that it is refused as stated, within the client's five seconds; that neither the upstream
   * nor the token endpoint heard of it; that the caller is told nothing else; and that there is exactly one event, of
   * that code, with no text of it.
   */
  expectDenied(presented: string, denial?: Denial, path?: string): Promise<RecordedEvent>
  /** Sends a token and asserts that the upstream got the request, with a token of the server in its place. */
  expectForwarded(presented: string, path?: string): Promise<RecordedRequest>
}

/** @param about options, or what makes them when they depend on the authorization server */
export async function startAttackedHop(
  about: HopOptions | ((server: TestAuthorizationServer) => HopOptions) = {},
): Promise<AttackedHop> {
  const server = await startAuthorizationServer()
  const options = typeof about === 'function' ? about(server) : about
  server.onToken(issueToAnybody(server, options.clock))
  const client = `{ authentication: client_secret_basic, secret: '\${TEST_SECRET}' }`
  const exchange = `{ server: '${server.issuer}', client: ${client} }`
  const hop = await startHop({ exchange, ...options })

  const get: AttackedHop['get'] = (authorization, path = '/orders/1') =>
    requestRaw(
      hop.port,
      `GET ${path} HTTP/1.1\r\nHost: orders.test\r\nAuthorization: ${authorization}\r\n\r\n`,
    )
  const reached = () => ({
    bytes: hop.upstream.connections.reduce((sum, { raw }) => sum + raw.length, 0),
    exchanges: server.tokenRequests.length,
  })
  return {
    ...hop,
    server,
    exchange,
    get,
    async expectDenied(presented, denial = invalidToken, path = '/orders/1') {
      const before = { ...reached(), events: hop.lines.length, log: hop.log.length }
      const answer = await get(`Bearer ${presented}`, path)
      const event = await hop.event(before.events)
      expect(answer.status).toBe(denial.status)
      expect(answer.header('www-authenticate')).toBe(denial.challenge)
      expect(JSON.parse(answer.text)).toEqual({
        type: 'about:blank',
        title: expect.any(String),
        status: denial.status,
        code: denial.code,
      })
      expect(event).toMatchObject({ refusal: denial.code, status: denial.status })
      expect(hop.lines).toHaveLength(before.events + 1)
      expect(reached()).toEqual({ bytes: before.bytes, exchanges: before.exchanges })
      const log = hop.log.slice(before.log).join('\n')
      expectNoTextOf(presented, `${answer.raw.toString('latin1')}${hop.lines.at(-1)}${log}`)
      return event
    },
    async expectForwarded(presented, path = '/orders/1') {
      const [events, index] = [hop.lines.length, hop.upstream.requests.length]
      const answer = await get(`Bearer ${presented}`, path)
      const event = await hop.event(events)
      expect({ status: answer.status, refusal: event.refusal, detail: event.detail }).toEqual({ status: 200 })
      const request = await hop.upstream.request(index)
      expect(request.headerAll('authorization')).toHaveLength(1)
      const issued = request.header('authorization')?.replace(/^Bearer /, '') ?? ''
      expect(readClaims(issued)).toMatchObject({ iss: server.issuer, aud: 'orders-api' })
      expect(request.raw.includes(presented.split('.')[2] ?? presented)).toBe(false)
      return request
    },
    async close() {
      await hop.close()
      await server.close()
    },
  }
}

/** One item of the configured `issuers`, to follow others in {@link HopOptions.issuerRules}. */
export function issuerItem(issuer: TestIssuer, keys: readonly unknown[], rules = ''): string {
  const inline = JSON.stringify({ keys })
  return `\n  - { issuer: '${issuer.issuer}', audience: [shop-web], keys: { inline: ${inline} }${rules} }`
}

/** The claims of a token, verified by nobody; empty when there are none to read. */
export function readClaims(token: string): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) ?? {}
  } catch {
    return {}
  }
}

/** Issues to anybody: copies subject and actors from whatever is presented, and goes by the given clock. */
export function issueToAnybody(
  { claimsFor, signer }: TestAuthorizationServer,
  clock: Clock = systemClock,
): (request: ReceivedTokenRequest) => Promise<TokenScript> {
  return async ({ form }) => {
    const { sub = 'anybody', act } = readClaims(form.get('subject_token') ?? '')
    const actor = { sub: 'orders', ...(act !== undefined && { act }) }
    const iat = Math.floor(clock.now())
    const claims = { ...claimsFor(form), sub, act: actor, iat, exp: iat + 300 }
    return {
      body: {
        access_token: await signer.sign(claims),
        token_type: 'Bearer',
        issued_token_type: form.get('requested_token_type'),
        expires_in: 300,
      },
    }
  }
}

const tellingLength = 16

/** Neither the beginning nor the end of any part of the token may occur. */
function expectNoTextOf(token: string, output: string): void {
  for (const part of token.split('.')) {
    if (part.length < tellingLength) continue
    for (const piece of [part.slice(0, tellingLength), part.slice(-tellingLength)]) {
      expect(output.includes(piece), `the output holds ${piece} of the token`).toBe(false)
    }
  }
}
