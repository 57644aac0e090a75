export interface HealthTimeouts {
  readonly pingAfterMs: number
  readonly pingTimeoutMs: number
}

/**
 * Servers count pings that come while they have nothing to say, and end the connection when they are too many: gRPC's
 * allow one, and then one in five minutes.
 */
const laterPingsAfterMs = 301_000

/** Tells from what is heard of a connection when to ask whether it is still there, and when it is not. Pure. */
export class SessionHealth {
  readonly #timeouts: HealthTimeouts
  #heardMs: number
  #pingSentMs: number | undefined
  /** Pings since upstream said something of its own accord. */
  #pings = 0

  constructor(timeouts: HealthTimeouts, nowMs: number) {
    this.#timeouts = timeouts
    this.#heardMs = nowMs
  }

  /** Upstream said something of its own accord. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs
    this.#pingSentMs = undefined
    this.#pings = 0
  }

  /** Upstream answered a ping. */
  answered(nowMs: number): void {
    this.#heardMs = nowMs
    this.#pingSentMs = undefined
  }

  /** To be called again and again while something is expected. */
  check(nowMs: number): 'well' | 'ping' | 'dead' {
    if (this.#pingSentMs !== undefined) {
      return nowMs - this.#pingSentMs >= this.#timeouts.pingTimeoutMs ? 'dead' : 'well'
    }
    const { pingAfterMs } = this.#timeouts
    const afterMs = this.#pings === 0 ? pingAfterMs : Math.max(pingAfterMs, laterPingsAfterMs)
    if (nowMs - this.#heardMs < afterMs) return 'well'
    this.#pings += 1
    this.#pingSentMs = nowMs
    return 'ping'
  }
}
