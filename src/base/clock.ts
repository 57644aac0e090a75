/** Seconds since 1970-01-01T00:00:00Z, the unit of RFC 7519 NumericDate. May be fractional. */
export type EpochSeconds = number

/** The two clocks a hop needs; tests pass their own. */
export interface Clock {
  /** Wall clock, for token lifetimes. */
  now(): EpochSeconds
  /** Never goes back, for durations. Milliseconds from an arbitrary origin. */
  monotonicMs(): number
}

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now() / 1000,
  monotonicMs: () => performance.now(),
}
