import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { fail, ok, type Result } from '../../base/result.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Delivery } from '../../model/delivery.ts'
import type { Refusal } from '../../model/refusal.ts'
import { upstreamFailure } from './upstream-failure.ts'

/** The caller's end of an upgrade. */
export interface Tunnel {
  readonly socket: Socket
  /** Bytes that came behind the request's header section. */
  readonly head: Buffer
}

export interface UpgradeOptions {
  readonly upstream: URL
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly idleMs: number
  readonly monotonicMs: () => number
  /** Holds the caller's end of every connection that is open. Whoever owns the set may destroy them. */
  readonly open: Set<Socket>
}

/** One upgrade to forward. */
export interface UpgradeRequest {
  readonly admitted: AdmittedRequest
  readonly received: IncomingMessage
  readonly response: ServerResponse
  readonly tunnel: Tunnel
  /** What upstream gets: name, value, name, value, … */
  readonly headers: readonly string[]
  /** The connection ends after this time, when the token that opened it does. */
  readonly lifeMs: number
}

/** Forwards admitted upgrades; answers when upstream has answered. */
export interface Upgrader {
  forward(upgrade: UpgradeRequest): Promise<Result<Delivery, Refusal>>
  /** Lets go of what is idle. Open connections go on. */
  close(): void
}

const longestTimerMs = 2 ** 31 - 1

/** Upgrades go through http-proxy-3, which is given nothing but what was admitted. */
export function createUpgrader(options: UpgradeOptions): Upgrader {
  const agent = options.upstream.protocol === 'https:' ? new HttpsAgent() : new HttpAgent()
  const { open } = options

  const join = (upgrade: UpgradeRequest, upstreamSocket: Socket): void => {
    const { socket } = upgrade.tunnel
    const end = (): void => {
      socket.destroy()
      upstreamSocket.destroy()
    }
    const life = setTimeout(end, Math.min(upgrade.lifeMs, longestTimerMs))
    open.add(socket)
    socket.setTimeout(options.idleMs, end)
    upstreamSocket.setTimeout(options.idleMs, end)
    socket.once('close', () => {
      clearTimeout(life)
      open.delete(socket)
      upstreamSocket.destroy()
    })
  }

  return {
    forward(upgrade) {
      const { admitted, received, response, tunnel } = upgrade
      const startedMs = options.monotonicMs()
      received.url = admitted.target
      received.headers = upgradeHeaders(upgrade.headers)
      response.detachSocket(tunnel.socket)
      return new Promise(resolve => {
        let isSettled = false
        const settle = (result: Result<Delivery, Refusal>): void => {
          isSettled = true
          resolve(result)
        }
        const delivered = (status: number): Result<Delivery, Refusal> =>
          ok({
            status,
            upstreamMs: options.monotonicMs() - startedMs,
            bytesIn: 0,
            bytesOut: 0,
            complete: true,
          })
        const proxy = createProxyServer({
          target: options.upstream,
          agent,
          prependPath: false,
          toProxy: true,
          secure: true,
          connectTimeout: options.connectTimeoutMs,
        })
        proxy.on('proxyReqWs', (outgoing: ClientRequest) => {
          outgoing.setTimeout(options.headersTimeoutMs, () => outgoing.destroy(new UpgradeTimeout()))
          outgoing.once('response', answer => settle(delivered(answer.statusCode ?? 502)))
          outgoing.once('upgrade', (_answer, upstreamSocket) => {
            // http-proxy-3 resets the timeouts when it joins the sockets, right after this event.
            setImmediate(join, upgrade, upstreamSocket)
            settle(delivered(101))
          })
        })
        proxy.ws(received, tunnel.socket, tunnel.head, {}, error => {
          if (isSettled) return
          keepOpenForAnswer(tunnel.socket)
          response.assignSocket(tunnel.socket)
          settle(fail(upstreamFailure(error)))
        })
      })
    },
    close: () => agent.destroy(),
  }
}

class UpgradeTimeout extends Error {
  readonly code = 'UPSTREAM_HEADERS_TIMEOUT'
}

/** http-proxy-3 closes the caller's socket as soon as it has reported an error; the refusal has to go out first. */
function keepOpenForAnswer(socket: Socket): void {
  socket.destroySoon = () => {}
  setImmediate(() => Reflect.deleteProperty(socket, 'destroySoon'))
}

/** http-proxy-3 takes an object; a repeated field becomes an array. The two upgrade fields are set anew. */
function upgradeHeaders(fields: readonly string[]): Record<string, string> {
  const headers: Record<string, string | string[]> = { connection: 'Upgrade', upgrade: 'websocket' }
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] as string).toLowerCase()
    const value = fields[index + 1] as string
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  return headers as Record<string, string>
}
