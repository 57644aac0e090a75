import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { Connect } from '../connect.ts'
import type { ResponseHandler, UpstreamCall, UpstreamClient, UpstreamRequest } from '../upstream-client.ts'
import { Http1Call } from './http1-call.ts'
import { type ConnectionOwner, type ConnectionTimeouts, Http1Connection } from './http1-connection.ts'
import { IdleConnections, type IdleOwner } from './idle-connections.ts'

export interface Http1ClientOptions extends ConnectionTimeouts {
  readonly connect: Connect
  readonly connectTimeoutMs: number
  readonly maxConnections: number
}

const maxAttempts = 2
const sweepMs = { shortest: 5, longest: 500 }

/**
 * A client for one HTTP/1.1 upstream: small, strict and cheap, since it is the largest part of what a hop costs. Limits
 * of time are looked after by one sweep over all connections instead of a timer for each.
 */
export function createHttp1Client(options: Http1ClientOptions): UpstreamClient {
  return new Http1Client(options)
}

class Http1Client implements UpstreamClient, ConnectionOwner, IdleOwner {
  readonly #options: Http1ClientOptions
  readonly #idle = new IdleConnections<Http1Connection>(this)
  readonly #connections = new Set<Http1Connection>()
  /** Requests for which there was no connection; the time is when they began to wait. */
  readonly #waiting = new Map<Http1Call, number>()
  readonly #sweepMs: number
  #sweeper: NodeJS.Timeout | undefined
  #closing: PromiseWithResolvers<void> | undefined
  nowMs = performance.now()

  constructor(options: Http1ClientOptions) {
    this.#options = options
    const shortest = Math.min(options.headersTimeoutMs, options.bodyTimeoutMs, options.connectTimeoutMs)
    this.#sweepMs = Math.max(sweepMs.shortest, Math.min(sweepMs.longest, shortest / 4))
  }

  send(request: UpstreamRequest, handler: ResponseHandler): UpstreamCall {
    const call = new Http1Call(request, handler, this.#onGivenUp)
    const connection = this.#idle.take()
    if (connection !== undefined) {
      connection.start(call)
    } else if (this.#connections.size < this.#options.maxConnections) {
      this.#open(call)
    } else {
      this.#waiting.set(call, this.nowMs)
      this.#idle.hurry()
    }
    return call
  }

  close(): Promise<void> {
    this.#closing ??= Promise.withResolvers()
    if (!this.hasWaiting) this.#idle.destroy()
    this.#settle()
    return this.#closing.promise
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0
  }

  onIdle(connection: Http1Connection): void {
    if (this.#closing === undefined || this.hasWaiting) this.#idle.add(connection)
    else connection.destroy()
  }

  onReady(): void {
    for (const next of this.#waiting.keys()) {
      const connection = this.#idle.take()
      if (connection === undefined) return
      this.#waiting.delete(next)
      connection.start(next)
    }
    if (this.#closing !== undefined) this.#idle.destroy()
  }

  onUnsent(call: Http1Call, reason: Refusal): void {
    // What has used up its time is not given it again.
    const isWorthIt = call.isIdempotent && call.attempts < maxAttempts && reason.code !== 'upstream.timeout'
    if (isWorthIt) this.#open(call)
    else call.fail(reason)
  }

  onClosed(connection: Http1Connection): void {
    this.#connections.delete(connection)
    this.#idle.delete(connection)
    const [next] = this.#waiting.keys()
    if (next !== undefined && this.#connections.size < this.#options.maxConnections) {
      this.#waiting.delete(next)
      this.#open(next)
    }
    this.#settle()
  }

  readonly #onGivenUp = (call: Http1Call): void => {
    this.#waiting.delete(call)
    // Nothing is left that the connections behind it were kept for.
    if (this.#closing !== undefined && !this.hasWaiting) this.#idle.destroy()
  }

  #open(call: Http1Call): void {
    call.attempts += 1
    if (this.#sweeper === undefined) this.nowMs = performance.now()
    const { connect, connectTimeoutMs } = this.#options
    let timer: NodeJS.Timeout | undefined
    const connection = new Http1Connection(
      this,
      onread => {
        const { socket, readyEvent } = connect(onread)
        socket.once(readyEvent, () => connection.opened())
        socket.once('close', () => clearTimeout(timer))
        socket.once(readyEvent, () => clearTimeout(timer))
        return socket
      },
      this.#options,
      call,
    )
    timer = setTimeout(
      () => connection.notOpened(refusal('upstream.timeout', 'no connection')),
      connectTimeoutMs,
    )
    this.#connections.add(connection)
    this.#sweeper ??= setInterval(() => this.#sweep(), this.#sweepMs).unref()
  }

  #sweep(): void {
    this.nowMs = performance.now()
    for (const connection of this.#connections) connection.check(this.nowMs)
    for (const [call, sinceMs] of this.#waiting) {
      if (this.nowMs - sinceMs < this.#options.connectTimeoutMs) break
      this.#waiting.delete(call)
      call.fail(refusal('upstream.timeout', 'no connection became free'))
    }
    if (this.#connections.size > 0 || this.#waiting.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  #settle(): void {
    if (this.#closing === undefined || this.#connections.size > 0 || this.#waiting.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
    this.#closing.resolve()
  }
}
