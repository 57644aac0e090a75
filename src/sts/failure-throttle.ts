import type { EpochSeconds } from '../base/clock.ts'
import { LruMap } from '../base/lru-map.ts'

/** Counts failures by key, within a window that starts at the first one. */
export interface FailureThrottle {
  /** Seconds until this key is heard again; undefined while it is heard. */
  retryAfterSeconds(key: string, now: EpochSeconds): number | undefined
  fail(key: string, now: EpochSeconds): void
}

export interface FailureThrottleLimits {
  readonly maxFailures: number
  readonly windowSeconds: number
  /** How many keys are remembered; the least recently used is forgotten first. */
  readonly maxKeys: number
}

interface Failures {
  readonly until: EpochSeconds
  count: number
}

/** A throttle for one process: replicas count apart, so the bound over all is the bound times their number. */
export function createFailureThrottle(limits: FailureThrottleLimits): FailureThrottle {
  const failures = new LruMap<Failures>({ maxEntries: limits.maxKeys })
  // A window also ends when the clock was set back: nobody is shut out for longer than one window.
  const current = (key: string, now: EpochSeconds): Failures | undefined => {
    const found = failures.get(key)
    if (found === undefined || found.until <= now || found.until > now + limits.windowSeconds)
      return undefined
    return found
  }
  return {
    retryAfterSeconds(key, now) {
      const found = current(key, now)
      if (found === undefined || found.count < limits.maxFailures) return undefined
      return Math.ceil(found.until - now)
    },
    fail(key, now) {
      const found = current(key, now)
      if (found === undefined) failures.set(key, { until: now + limits.windowSeconds, count: 1 })
      else found.count++
    },
  }
}
