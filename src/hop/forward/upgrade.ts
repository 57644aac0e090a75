import { type ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream'
import { createProxyServer } from 'http-proxy-3'
import { removeFields } from '../../base/connection-options.ts'
import type { Tunnel } from '../../base/http-caller.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Secret } from '../../base/secret.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Delivery } from '../../model/delivery.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectionSpace } from '../../oauth/challenge.ts'
import type { Connect } from './connect.ts'
import type { OpenTunnels } from './open-tunnels.ts'
import { responseHeaders } from './response-headers.ts'
import { upstreamFailure } from './upstream-failure.ts'
import { findHandshakeFlaw } from './websocket-handshake.ts'
import { joinWebSocket } from './websocket-tunnel.ts'

export interface UpgradeOptions {
  readonly upstream: URL
  readonly connect: Connect
  /** Where connections that opened are kept. */
  readonly tunnels: OpenTunnels
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  /** Between two pieces of the body, when upstream answers instead of upgrading. */
  readonly bodyTimeoutMs: number
  readonly idleMs: number
  readonly monotonicMs: () => number
}

/** One upgrade to forward. */
export interface UpgradeRequest {
  readonly admitted: AdmittedRequest
  readonly tunnel: Tunnel
  /** What upstream gets: name, value, name, value, … */
  readonly fields: readonly string[]
  /** The connection ends after this time, when the token that opened it does. Infinity without a token. */
  readonly lifeMs: number
  /** For the challenge that replaces upstream's; undefined on a public route. */
  readonly space: ProtectionSpace | undefined
  /** The token that upstream gets; undefined on a public route. */
  readonly issued: Secret | undefined
  /** Called when upstream says 401 to the issued token. */
  readonly onUnauthorized: () => void
}

/**
 * Forwards admitted upgrades. Answers when the connection is open, when upstream's other answer has gone to the caller,
 * or when there is none.
 */
export interface Upgrader {
  forward(upgrade: UpgradeRequest): Promise<Result<Delivery, Refusal>>
}

/**
 * Upgrades go through http-proxy-3, which is given nothing but what was admitted, and which only opens the connection:
 * an answer that is no upgrade takes the way of every other response, an error that of every other refusal, and frames
 * go through a tunnel of our own.
 */
export function createUpgrader(options: UpgradeOptions): Upgrader {
  const proxy = createProxyServer({
    // With TLS or without, the socket is the agent's affair.
    target: `http://${options.upstream.host}`,
    agent: new UpstreamAgent(options.connect),
    prependPath: false,
    toProxy: true,
    secure: true,
    connectTimeout: options.connectTimeoutMs,
  })
  // The tunnel looks after both ends itself. Without a listener http-proxy-3 throws.
  proxy.on('error', () => {})

  /** Sends the request; upstream's answer and errors are left to the listeners that are added to it. */
  const send = ({ admitted, tunnel }: UpgradeRequest): ClientRequest | undefined => {
    let outgoing: ClientRequest | undefined
    // Not among the options of the request, which Node's own debug output shows.
    const { headers } = tunnel.received
    const { authorization } = headers
    delete headers.authorization
    const complete = (request: ClientRequest): void => {
      outgoing = request
      if (authorization !== undefined) outgoing.setHeader('authorization', authorization)
      // http-proxy-3 drops the mark of an empty query; what policy saw is what upstream gets.
      outgoing.path = admitted.target
    }
    proxy.on('proxyReqWs', complete)
    try {
      proxy.ws(tunnel.received, tunnel.socket, tunnel.head)
    } finally {
      // Whatever happens, the next caller's request must not get this one's token.
      proxy.removeListener('proxyReqWs', complete)
    }
    return outgoing?.removeAllListeners('response').removeAllListeners('error')
  }

  return {
    forward(upgrade) {
      const { admitted, tunnel } = upgrade
      const { received, response, socket } = tunnel
      const startedMs = options.monotonicMs()
      received.url = admitted.target
      received.headers = upgradeHeaders(upgrade.fields)
      return new Promise(resolve => {
        if (socket.destroyed || socket.readableEnded) {
          resolve(fail(callerGone))
          return
        }
        const outgoing = send(upgrade)
        if (outgoing === undefined) throw new Error('the proxy sent no request')
        const onCallerGone = (): void => {
          answered()
          resolve(fail(callerGone))
          outgoing.destroy()
          socket.destroy()
        }
        const giveUp = (): unknown => outgoing.destroy(new UpgradeTimeout())
        const timer = setTimeout(giveUp, options.headersTimeoutMs)
        const answered = (): number => {
          clearTimeout(timer)
          socket.removeListener('end', onCallerGone).removeListener('close', onCallerGone)
          return options.monotonicMs() - startedMs
        }
        // As for any request, a caller that ends its half before there is an answer has gone.
        socket.once('end', onCallerGone).once('close', onCallerGone)
        outgoing.on('error', error => {
          answered()
          resolve(fail(upstreamFailure(error)))
        })
        let interim = 0
        outgoing.on('information', () => {
          interim += 1
          if (interim <= maxInterim) return
          answered()
          resolve(fail(refusal('upstream.malformed', 'too many interim responses')))
          // The answer may have come in the same packet.
          outgoing.removeAllListeners('response').removeAllListeners('upgrade').destroy()
        })
        outgoing.once('response', answer => {
          const upstreamMs = answered()
          const flaw = findAnswerFlaw(answer)
          if (flaw !== undefined) {
            outgoing.destroy()
            resolve(fail(refusal('upstream.malformed', flaw)))
            return
          }
          // For Node a body without length is whole however its connection ends: the caller's is cut off first.
          answer.socket.once('error', () => response.destroy())
          outgoing.setTimeout(options.bodyTimeoutMs, () => {
            response.destroy()
            giveUp()
          })
          socket.setTimeout(options.bodyTimeoutMs, () => socket.destroy())
          try {
            relayAnswer(answer, upgrade, (bytesOut, complete) => {
              outgoing.destroy()
              resolve(ok({ status: statusOf(answer), upstreamMs, bytesIn: 0, bytesOut, complete }))
            })
          } catch {
            // Node's client reads reason phrases that its server does not write.
            outgoing.destroy()
            resolve(fail(refusal('upstream.malformed', 'a header section that cannot be passed on')))
          }
        })
        const open = outgoing.listeners('upgrade')
        outgoing.removeAllListeners('upgrade')
        outgoing.once('upgrade', (answer, upstreamSocket, head) => {
          const upstreamMs = answered()
          const flaw = findHandshakeFlaw(upgrade.fields, answer.rawHeaders)
          if (flaw !== undefined) {
            upstreamSocket.destroy()
            resolve(fail(refusal('upstream.malformed', flaw)))
            return
          }
          response.detachSocket(socket)
          answer.headers = switchingHeaders(answer.rawHeaders, upgrade.issued)
          // Field values are bytes, read as Latin-1.
          socket.setDefaultEncoding('latin1')
          for (const listener of open) listener(answer, upstreamSocket, head)
          // A pipe does not know where a frame ends.
          socket.unpipe(upstreamSocket)
          upstreamSocket.unpipe(socket)
          const limits = { idleMs: options.idleMs, lifeMs: upgrade.lifeMs - upstreamMs }
          joinWebSocket(socket, upstreamSocket, limits, options.tunnels)
          resolve(ok({ status: 101, upstreamMs, bytesIn: 0, bytesOut: 0, complete: true }))
        })
      })
    },
  }
}

/** Interim responses before the final one; more is an attack. */
const maxInterim = 32

/** Opens each connection as those of every other request are opened. */
class UpstreamAgent extends HttpAgent {
  readonly #connect: Connect

  constructor(connect: Connect) {
    super()
    this.#connect = connect
  }

  override createConnection(): Duplex {
    return this.#connect().socket
  }
}

const callerGone = refusal('client.closed', 'the caller went away')

class UpgradeTimeout extends Error {
  readonly code = 'UPSTREAM_HEADERS_TIMEOUT'
}

/**
 * Node's parser is more lenient than the one that reads every other response: what that one refuses is refused here.
 *
 * @returns why an answer cannot be passed on, in a few words without upstream's text
 */
function findAnswerFlaw(answer: IncomingMessage): string | undefined {
  const { httpVersion, headersDistinct } = answer
  const status = statusOf(answer)
  const codings = headersDistinct['transfer-encoding']
  if (status === 101) return 'a 101 that is no switch'
  if (!(status >= 200 && status <= 599)) return 'a status that is none'
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'no HTTP/1.1 status line'
  if (codings === undefined) return undefined
  const isOneChunked = codings.length === 1 && codings[0]?.toLowerCase() === 'chunked'
  return isOneChunked && httpVersion === '1.1' ? undefined : 'a Transfer-Encoding other than one chunked'
}

/** An answer other than 101, on its way to the caller with backpressure; the connection ends with it. */
function relayAnswer(
  answer: IncomingMessage,
  { tunnel: { response }, space, issued, onUnauthorized }: UpgradeRequest,
  finish: (bytesOut: number, complete: boolean) => void,
): void {
  const status = statusOf(answer)
  if (status === 401) onUnauthorized()
  const phrase = answer.statusMessage ?? ''
  const fields = responseHeaders(answer.rawHeaders, space, issued)
  // A 204 must not speak of a length (RFC 9110 §8.6).
  if (status === 204) removeFields(fields, new Set(['content-length']))
  response.writeHead(status, issued?.isIn(phrase) ? '' : phrase, fields)
  let bytesOut = 0
  answer.on('data', (chunk: Buffer) => {
    bytesOut += chunk.length
  })
  // A body that breaks off takes the caller's connection with it: half an answer is not to look like a whole one.
  pipeline(answer, response, error => finish(bytesOut, error === undefined || error === null))
}

function statusOf(answer: IncomingMessage): number {
  return answer.statusCode ?? 502
}

/** What upstream gets. The two upgrade fields are set anew. */
function upgradeHeaders(fields: readonly string[]): Record<string, string> {
  return fieldObject(['Connection', 'Upgrade', 'Upgrade', 'websocket', ...fields])
}

/** What the caller gets with the 101: like those of any response, and the two fields that make it a switch. */
function switchingHeaders(raw: readonly string[], issued: Secret | undefined): Record<string, string> {
  const fields = responseHeaders(raw, undefined, issued)
  return fieldObject(['Connection', 'Upgrade', 'Upgrade', 'websocket', ...fields])
}

/** http-proxy-3 takes an object; a repeated field becomes an array. */
function fieldObject(fields: readonly string[]): Record<string, string> {
  // Without a prototype: a field may be called `constructor`.
  const object: Record<string, string | string[]> = Object.create(null)
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] as string).toLowerCase()
    const value = fields[index + 1] as string
    const before = object[name]
    object[name] = before === undefined ? value : [before, value].flat()
  }
  return object as Record<string, string>
}
