import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { ResponseHandler, UpstreamCall, UpstreamClient, UpstreamRequest } from '../upstream-client.ts'
import { type CallOwner, type CallTimeouts, Http2Call } from './http2-call.ts'
import { Http2Session, type SessionOptions, type SessionOwner } from './http2-session.ts'

export interface Http2ClientOptions extends SessionOptions, CallTimeouts {
  /** Connections that take requests, at most. Past it, requests wait for a stream to be free. */
  readonly maxSessions: number
}

/** Methods that may be sent again when it is not known what became of them (RFC 9110 §9.2.2). */
/** What is tried for one request. */
const maxAttempts = { streams: 3, connections: 2 }
/** What a connection is expected to take until one has said it. */
const usualStreams = 100
const sweepMs = { shortest: 5, longest: 500 }

/**
 * A client for one HTTP/2 upstream. Requests share a connection; another one is opened when all are full. A request that
 * upstream has surely not processed (RFC 9113 §8.7) is sent again, twice at most, whatever its method, if all of its body is
 * still here; one whose connection was lost is not: upstream may have done it. Limits of time are looked after by one sweep.
 */
export function createHttp2Client(options: Http2ClientOptions): UpstreamClient {
  return new Http2Client(options)
}

class Http2Client implements UpstreamClient, SessionOwner, CallOwner {
  readonly #options: Http2ClientOptions
  readonly #sessions = new Set<Http2Session>()
  /** Requests that are not over. */
  readonly #calls = new Set<Http2Call>()
  /** Requests for which there is no stream; the time is when they began to wait. */
  readonly #waiting = new Map<Http2Call, number>()
  /** Calls that have handed something over since the last settling. */
  #moved: Http2Call[] = []
  #usualStreams = usualStreams
  readonly #sweepMs: number
  #sweeper: NodeJS.Timeout | undefined
  #closing: PromiseWithResolvers<void> | undefined
  nowMs = performance.now()

  constructor(options: Http2ClientOptions) {
    this.#options = options
    const { headersTimeoutMs, bodyTimeoutMs, connectTimeoutMs, idleMs, pingAfterMs, pingTimeoutMs } = options
    const all = [headersTimeoutMs, bodyTimeoutMs, connectTimeoutMs, idleMs, pingAfterMs, pingTimeoutMs]
    this.#sweepMs = Math.max(sweepMs.shortest, Math.min(sweepMs.longest, Math.min(...all) / 4))
  }

  send(request: UpstreamRequest, handler: ResponseHandler): UpstreamCall {
    if (this.#sweeper === undefined) {
      this.nowMs = performance.now()
      this.#sweeper = setInterval(() => this.#sweep(), this.#sweepMs).unref()
    }
    const call = new Http2Call(request, handler, this)
    this.#calls.add(call)
    this.#place(call)
    return call
  }

  close(): Promise<void> {
    this.#closing ??= Promise.withResolvers()
    this.#closeWhenDone()
    return this.#closing.promise
  }

  onCapacity(session: Http2Session): void {
    this.#usualStreams = Math.max(1, session.maxStreams)
    for (const call of this.#waiting.keys()) {
      const free = this.#findCapacity()
      if (free === undefined) break
      this.#waiting.delete(call)
      this.#start(call, free)
    }
    this.#openAsNeeded()
  }

  onNotOpened(session: Http2Session, reason: Refusal): void {
    this.#sessions.delete(session)
    // With another connection there is still something to wait for.
    if (![...this.#sessions].some(({ isOpen }) => isOpen)) {
      for (const call of [...this.#waiting.keys()]) {
        call.attempts += 1
        if (reason.code === 'upstream.timeout' || call.attempts >= maxAttempts.connections) call.fail(reason)
      }
      this.#openAsNeeded()
    }
    this.#closeWhenDone()
  }

  onClosed(session: Http2Session): void {
    this.#sessions.delete(session)
    this.#openAsNeeded()
    this.#closeWhenDone()
  }

  onMoved(call: Http2Call): void {
    // What one read of a socket brings is handed over piece by piece, in no way that tells which one is the last.
    if (this.#moved.push(call) === 1) setImmediate(this.#settleMoved)
  }

  onBroken(call: Http2Call, isUnprocessed: boolean, reason: Refusal): void {
    const mayRepeat = isUnprocessed && call.isRepeatable && call.attempts < maxAttempts.streams
    if (mayRepeat) this.#place(call)
    else call.fail(reason)
  }

  onOver(call: Http2Call): void {
    this.#calls.delete(call)
    this.#waiting.delete(call)
    this.#closeWhenDone()
  }

  readonly #settleMoved = (): void => {
    const moved = this.#moved
    this.#moved = []
    for (const call of moved) call.settle()
  }

  #place(call: Http2Call): void {
    const session = this.#findCapacity()
    if (session !== undefined) {
      this.#start(call, session)
      return
    }
    this.#waiting.set(call, this.nowMs)
    this.#openAsNeeded()
  }

  #start(call: Http2Call, session: Http2Session): void {
    try {
      call.start(session)
    } catch (cause) {
      const name = cause instanceof Error ? cause.name : 'unknown'
      process.nextTick(() => call.fail(refusal('internal', `a request that HTTP/2 cannot say (${name})`)))
    }
  }

  #findCapacity(): Http2Session | undefined {
    for (const session of this.#sessions) if (session.hasCapacity) return session
    return undefined
  }

  #openAsNeeded(): void {
    if (this.#waiting.size === 0) return
    let [opening, usable] = [0, 0]
    for (const session of this.#sessions) {
      if (session.isOpening) opening += 1
      if (session.isOpening || session.isOpen) usable += 1
    }
    while (this.#waiting.size > opening * this.#usualStreams && usable < this.#options.maxSessions) {
      this.#sessions.add(new Http2Session(this, this.#options))
      opening += 1
      usable += 1
    }
  }

  #sweep(): void {
    this.nowMs = performance.now()
    for (const call of this.#calls) call.check(this.nowMs, this.#options)
    for (const [call, sinceMs] of this.#waiting) {
      if (this.nowMs - sinceMs < this.#options.connectTimeoutMs) continue
      call.fail(refusal('upstream.timeout', 'no stream became free'))
    }
    for (const session of this.#sessions) session.check(this.nowMs)
    this.#openAsNeeded()
    if (this.#sessions.size === 0 && this.#calls.size === 0) this.#stopSweeping()
  }

  #stopSweeping(): void {
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  #closeWhenDone(): void {
    if (this.#closing === undefined || this.#calls.size > 0) return
    for (const session of this.#sessions) session.drain()
    if (this.#sessions.size > 0) return
    this.#stopSweeping()
    this.#closing.resolve()
  }
}
