import type { Clock } from './clock.ts'
import { fail, ok, type Result } from './result.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerOptions {
  /** This many failures in a row open the breaker. */
  readonly failures: number
  /** How long it stays open before one call may try again, unless the server asked for longer. */
  readonly openMs: number
  readonly clock: Clock
  /** Is told of every change. */
  readonly announce?: (state: BreakerState) => void
}

/** Leave to call. Whoever gets one must settle it, once; later calls of `settle` mean nothing. */
export interface Pass {
  /**
   * @param outcome `failed`: no answer, or one that only says 'not now'. Any other answer shows that the server lives.
   * @param retryAfterSeconds what the server asked for
   */
  settle(outcome: 'answered' | 'failed', retryAfterSeconds?: number): void
}

/**
 * A circuit breaker: after some failures in a row callers are turned away at once, until one of them is let through
 * to try (half-open) and comes back with an answer.
 */
export class Breaker {
  readonly #options: BreakerOptions
  #state: BreakerState = 'closed'
  #failures = 0
  #openUntilMs = 0

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  /** Asks for leave to call. The error is how many seconds to wait, 1 or more. */
  admit(): Result<Pass, number> {
    if (this.#state === 'closed') return ok(this.#pass(false))
    const waitMs = this.#openUntilMs - this.#options.clock.monotonicMs()
    if (this.#state === 'half-open' || waitMs > 0) return fail(Math.max(1, Math.ceil(waitMs / 1000)))
    this.#enter('half-open')
    return ok(this.#pass(true))
  }

  #pass(isProbe: boolean): Pass {
    let settled = false
    return {
      settle: (outcome, retryAfterSeconds) => {
        if (settled) return
        settled = true
        // A call from before the breaker opened says nothing about the server now; only the probe's word counts.
        if (!isProbe && this.#state !== 'closed') return
        if (outcome === 'answered') this.#recover()
        else this.#fail(isProbe, retryAfterSeconds)
      },
    }
  }

  #recover(): void {
    this.#failures = 0
    if (this.#state !== 'closed') this.#enter('closed')
  }

  #fail(isProbe: boolean, retryAfterSeconds: number | undefined): void {
    this.#failures++
    if (!isProbe && this.#failures < this.#options.failures) return
    const pauseMs = Math.max(this.#options.openMs, (retryAfterSeconds ?? 0) * 1000)
    this.#openUntilMs = this.#options.clock.monotonicMs() + pauseMs
    this.#enter('open')
  }

  #enter(state: BreakerState): void {
    this.#state = state
    this.#options.announce?.(state)
  }
}
