import type { Clock } from '../../base/clock.ts'
import type { Caller } from '../../base/http-caller.ts'
import { fail, type Result } from '../../base/result.ts'
import type { Secret } from '../../base/secret.ts'
import type { UpstreamConfig } from '../../config/sidecar-config.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Delivery } from '../../model/delivery.ts'
import type { TokenRequest } from '../../model/exchange-request.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectionSpace } from '../../oauth/challenge.ts'
import { createConnect, type UpstreamTrust } from './connect.ts'
import { deadlineOf } from './deadline.ts'
import { createHttp1Client } from './http1/http1-client.ts'
import { createHttp2Client } from './http2/http2-client.ts'
import type { OpenTunnels } from './open-tunnels.ts'
import { outgoingHeaders } from './outgoing-headers.ts'
import { RequestBody } from './request-body.ts'
import { ResponseRelay } from './response-relay.ts'
import { createUpgrader, type Upgrader } from './upgrade.ts'
import type { UpstreamClient } from './upstream-client.ts'

/** What the request goes on with. */
export interface Passport {
  readonly issued: IssuedToken
  readonly request: TokenRequest
  /** Goes along in `Txn-Token`: the one that came, unmodified, or the one that was issued. */
  readonly transaction: Secret | undefined
}

export interface ForwardOptions {
  readonly upstream: URL
  readonly protocol: UpstreamConfig['protocol']
  /** Present exactly for an `https:` upstream. */
  readonly trust: UpstreamTrust | undefined
  readonly space: ProtectionSpace
  readonly bodyBytes: number | undefined
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly websocketIdleMs: number
  /** Where upgraded connections are kept, which go on when the rest is closed. */
  readonly tunnels: OpenTunnels
  readonly clock: Clock
  /** Called when upstream refuses an issued token. */
  readonly onUnauthorized: (request: TokenRequest) => void
}

/** The fifth stage: hands the request to the service behind, with the issued token and nothing of the caller's. */
export interface Forward {
  /**
   * @param passport undefined on a public route, which forwards no credentials
   * @param arrivedMs when the request arrived, on the monotonic clock
   */
  deliver(
    admitted: AdmittedRequest,
    caller: Caller,
    passport: Passport | undefined,
    arrivedMs: number,
  ): Promise<Result<Delivery, Refusal>>
  /** Waits for requests under way and closes the connections to upstream. Upgraded connections go on. */
  close(): Promise<void>
}

/** HTTP/1.1 connections at most. Past it, requests wait for one to be free. */
const maxConnections = 1_024

/**
 * HTTP/2 connections, and the streams on one. An idle connection may be dropped by what is between without a word; a
 * minute is less than what any of that waits.
 */
const http2Limits = {
  maxSessions: 128,
  streamsPerSession: 256,
  requestsPerSession: 2 ** 29,
  idleMs: 60_000,
  pingAfterMs: 10_000,
  pingTimeoutMs: 15_000,
}

export function createForward(options: ForwardOptions): Forward {
  const { clock } = options
  const monotonicMs = (): number => clock.monotonicMs()
  const client = createClient(options)
  /** Made for the first upgrade: most services have none, and its library need not be a part of the start. */
  let upgrader: Upgrader | undefined
  const openUpgrader = (): Upgrader =>
    createUpgrader({
      upstream: options.upstream,
      // HTTP/2 has no upgrade that servers commonly take; a WebSocket goes over HTTP/1.1 to the same address.
      connect: createConnect(options.upstream, 'http/1.1', options.trust),
      tunnels: options.tunnels,
      connectTimeoutMs: options.connectTimeoutMs,
      headersTimeoutMs: options.headersTimeoutMs,
      idleMs: options.websocketIdleMs,
      monotonicMs,
      bodyTimeoutMs: options.bodyTimeoutMs,
    })

  const relayOf = (
    { response }: Caller,
    passport: Passport | undefined,
    finish: (result: Result<Delivery, Refusal>) => void,
  ): ResponseRelay =>
    new ResponseRelay({
      response,
      space: passport === undefined ? undefined : options.space,
      issued: passport?.issued.value,
      monotonicMs,
      finish,
      onUnauthorized() {
        if (passport !== undefined) options.onUnauthorized(passport.request)
      },
    })

  const bodyOf = (
    { hasBody, contentLength }: AdmittedRequest,
    { received }: Caller,
    relay: ResponseRelay,
  ): RequestBody | undefined => {
    if (!hasBody) return undefined
    const { bodyBytes } = options
    return new RequestBody(received, {
      length: contentLength,
      maxBytes: bodyBytes,
      onTooLarge() {
        const most = Math.min(bodyBytes ?? Infinity, contentLength ?? Infinity)
        relay.giveUp(refusal('request.body_too_large', `a body of more than ${most} bytes`))
      },
    })
  }

  return {
    deliver(admitted, caller, passport, arrivedMs) {
      const fields = outgoingHeaders(admitted, passport?.issued, passport?.transaction)
      const { response, tunnel } = caller
      if (tunnel !== undefined) {
        upgrader ??= openUpgrader()
        return upgrader.forward({
          admitted,
          tunnel,
          fields,
          lifeMs: passport === undefined ? Infinity : (passport.request.notAfter - clock.now()) * 1_000,
          space: passport === undefined ? undefined : options.space,
          issued: passport?.issued.value,
          onUnauthorized() {
            if (passport !== undefined) options.onUnauthorized(passport.request)
          },
        })
      }
      const deadline = deadlineOf(admitted, arrivedMs, clock)
      if (deadline !== undefined && deadline.leftMs <= 0) return Promise.resolve(fail(deadline.reason))
      if (admitted.expectsContinue) response.writeContinue()
      return new Promise(resolve => {
        let timer: NodeJS.Timeout | undefined
        const relay = relayOf(caller, passport, result => {
          if (timer !== undefined) clearTimeout(timer)
          resolve(result)
        })
        if (deadline !== undefined) {
          timer = setTimeout(() => relay.giveUp(deadline.reason), deadline.leftMs)
        }
        const body = bodyOf(admitted, caller, relay)
        const { method, target, acceptsTrailers, announcesTrailers } = admitted
        const request = { method, target, fields, body, acceptsTrailers, announcesTrailers }
        relay.started(client.send(request, relay), body)
      })
    },
    close: () => client.close(),
  }
}

function createClient(options: ForwardOptions): UpstreamClient {
  const { upstream, trust } = options
  const timeouts = {
    connectTimeoutMs: options.connectTimeoutMs,
    headersTimeoutMs: options.headersTimeoutMs,
    bodyTimeoutMs: options.bodyTimeoutMs,
  }
  if (options.protocol === 'h2') {
    const connect = createConnect(upstream, 'h2', trust)
    return createHttp2Client({ ...timeouts, ...http2Limits, origin: upstream, connect })
  }
  const connect = createConnect(upstream, 'http/1.1', trust)
  return createHttp1Client({ ...timeouts, connect, maxConnections })
}
