import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'

/** Everything that bounds how long an issued token may be used. */
export interface LifeBounds {
  /** When the token was asked for: `expires_in` counts from the answer, which cannot be earlier. */
  readonly askedAt: EpochSeconds
  readonly now: EpochSeconds
  /** From the answer's `expires_in`; undefined when it had none. */
  readonly expiresInSeconds: number | undefined
  /** `exp` of the issued token. */
  readonly tokenExpiresAt: EpochSeconds
  /** Expiry of the subject token. */
  readonly notAfter: EpochSeconds
  /** The route's or rule's bound. */
  readonly ttlSeconds: number | undefined
  readonly marginSeconds: number
}

/**
 * When an issued token may last be used: the earliest of all bounds, less the margin; or half the life when the life
 * is no longer than two margins.
 *
 * @returns undefined when nothing is left
 */
export function usableUntil(bounds: LifeBounds): EpochSeconds | undefined {
  const { askedAt, now, expiresInSeconds, tokenExpiresAt, notAfter, ttlSeconds, marginSeconds } = bounds
  const endsAt = Math.min(
    tokenExpiresAt,
    notAfter,
    expiresInSeconds === undefined ? Number.POSITIVE_INFINITY : askedAt + expiresInSeconds,
    ttlSeconds === undefined ? Number.POSITIVE_INFINITY : now + ttlSeconds,
  )
  const lifeSeconds = endsAt - now
  if (!(lifeSeconds > 0)) return undefined
  return now + (lifeSeconds <= 2 * marginSeconds ? lifeSeconds / 2 : lifeSeconds - marginSeconds)
}

/** More than any access token lives: one year. Longer lives are cut to it; the other bounds are shorter anyway. */
const longestSeconds = 366 * 86_400

/**
 * Reads `expires_in` (RFC 6749 §5.1) as servers really write it: a number, with its fraction dropped, or a string of
 * digits. Absent is fine, because the token has an `exp`. Anything that is there and makes no life is an error.
 */
export function readExpiresIn(value: unknown): Result<number | undefined, string> {
  if (value === undefined) return ok(undefined)
  const seconds = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return fail('expires_in is not a number')
  if (seconds < 1) return fail('expires_in leaves no life')
  return ok(Math.min(Math.floor(seconds), longestSeconds))
}
