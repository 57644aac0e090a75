import type { IncomingMessage, ServerResponse } from 'node:http'
import Pool from 'undici/lib/dispatcher/pool.js'
import type { Clock } from '../../base/clock.ts'
import type { Result } from '../../base/result.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Delivery } from '../../model/delivery.ts'
import type { ExchangeRequest } from '../../model/exchange-request.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import type { Refusal } from '../../model/refusal.ts'
import { outgoingHeaders } from './outgoing-headers.ts'
import { ResponseRelay } from './response-relay.ts'
import { createUpgrader, type Tunnel } from './upgrade.ts'

/** The caller's side of a request that is being forwarded. */
export interface Caller {
  readonly received: IncomingMessage
  readonly response: ServerResponse
  /** Present exactly when the request asks for an upgrade. */
  readonly tunnel?: Tunnel
}

/** What the request goes on with. */
export interface Passport {
  readonly issued: IssuedToken
  readonly request: ExchangeRequest
}

export interface ForwardOptions {
  readonly upstream: URL
  readonly realm: string
  readonly bodyBytes: number | undefined
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly websocketIdleMs: number
  readonly clock: Clock
  /** Called when upstream refuses an issued token. */
  readonly onUnauthorized: (request: ExchangeRequest) => void
}

/** The fifth stage: hands the request to the service behind, with the issued token and nothing of the caller's. */
export interface Forward {
  /** @param passport undefined on a public route, which forwards no credentials */
  deliver(
    admitted: AdmittedRequest,
    caller: Caller,
    passport: Passport | undefined,
  ): Promise<Result<Delivery, Refusal>>
  /** Waits for requests under way and closes the connections to upstream. Upgraded connections go on. */
  close(): Promise<void>
}

/** Upstream connections at most. Past it, requests wait for one to be free. */
const maxConnections = 1_024

export function createForward(options: ForwardOptions): Forward {
  const { clock } = options
  const monotonicMs = (): number => clock.monotonicMs()
  const pool = new Pool(options.upstream, {
    connections: maxConnections,
    pipelining: 1,
    connect: { timeout: options.connectTimeoutMs },
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: options.bodyTimeoutMs,
  })
  const upgrader = createUpgrader({
    upstream: options.upstream,
    connectTimeoutMs: options.connectTimeoutMs,
    headersTimeoutMs: options.headersTimeoutMs,
    idleMs: options.websocketIdleMs,
    monotonicMs,
    bodyTimeoutMs: options.bodyTimeoutMs,
  })

  return {
    deliver(admitted, caller, passport) {
      const headers = outgoingHeaders(admitted, passport?.issued)
      const { received, response, tunnel } = caller
      const realm = passport === undefined ? undefined : options.realm
      const onUnauthorized = (): void => {
        if (passport !== undefined) options.onUnauthorized(passport.request)
      }
      if (tunnel !== undefined) {
        const lifeMs = passport === undefined ? Infinity : (passport.request.notAfter - clock.now()) * 1_000
        return upgrader.forward({
          admitted,
          received,
          response,
          tunnel,
          headers,
          lifeMs,
          realm,
          onUnauthorized,
        })
      }
      if (admitted.expectsContinue) response.writeContinue()
      return new Promise(resolve => {
        const relay = new ResponseRelay({
          response,
          realm,
          bodyBytes: options.bodyBytes,
          monotonicMs,
          finish: resolve,
          onUnauthorized,
        })
        pool.dispatch(
          {
            path: admitted.target,
            method: admitted.method as 'GET',
            headers,
            body: admitted.hasBody ? received : null,
          },
          relay,
        )
      })
    },
    async close() {
      await pool.close()
    },
  }
}
