import type { Clock, EpochSeconds } from '../../src/base/clock.ts'

/** A clock that moves only when told. */
export interface FakeClock extends Clock {
  advanceMs(ms: number): void
}

/** Both clocks start at the given instant and move together. */
export function createFakeClock(start: EpochSeconds = 1_800_000_000): FakeClock {
  let elapsedMs = 0
  return {
    now: () => start + elapsedMs / 1000,
    monotonicMs: () => elapsedMs,
    advanceMs(ms) {
      elapsedMs += ms
    },
  }
}
