import type { Clock } from '../../base/clock.ts'

const firstMs = 100
const longestMs = 30_000
/** Who has lived this long was not broken from the start. */
const stableMs = 10_000

/**
 * How long to wait before a worker that ended is replaced: not at all after a life of some length, and otherwise twice
 * as long each time, so that a worker that cannot live does not keep the machine busy.
 */
export class RestartDelay {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #startedAtMs = 0
  #shortLives = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** Short lives in a row. */
  get shortLives(): number {
    return this.#shortLives
  }

  /** A life begins. */
  begin(): void {
    this.#startedAtMs = this.#clock.monotonicMs()
  }

  /** The life has ended. Answers how many milliseconds later the next one begins. */
  end(): number {
    const isStable = this.#clock.monotonicMs() - this.#startedAtMs >= stableMs
    this.#shortLives = isStable ? 0 : this.#shortLives + 1
    return isStable ? 0 : Math.min(longestMs, firstMs * 2 ** (this.#shortLives - 1))
  }
}
