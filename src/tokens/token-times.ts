import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { JsonObject } from '../base/strict-json.ts'

/** When a token is good (RFC 7519 §4.1.4 to §4.1.6). */
export interface TokenTimes {
  readonly expiresAt: EpochSeconds
  readonly notBefore: EpochSeconds | undefined
  readonly issuedAt: EpochSeconds | undefined
}

export interface TimeRules {
  /** Tolerance for clocks, both ways. */
  readonly leewaySeconds: number
  /** Longest time from `iat` (else `nbf`, else now) to `exp`. */
  readonly maxLifetimeSeconds: number
}

const latest = Number.MAX_SAFE_INTEGER

/**
 * Reads `exp`, `nbf` and `iat` and checks them at `now`. `exp` is required; each is a JSON number from 0 to 2^53 − 1,
 * fractions allowed, never a string. A token from the future, one that ends before it starts, and one that was made to
 * live too long are refused.
 */
export function readTokenTimes(
  claims: JsonObject,
  rules: TimeRules,
  now: EpochSeconds,
): Result<TokenTimes, string> {
  const { exp, nbf, iat } = claims
  if (!isInstant(exp)) return fail('exp is missing or not a number in range')
  if (nbf !== undefined && !isInstant(nbf)) return fail('nbf is not a number in range')
  if (iat !== undefined && !isInstant(iat)) return fail('iat is not a number in range')
  if (iat !== undefined && iat > now + rules.leewaySeconds) return fail('iat is in the future')
  const start = iat ?? nbf ?? now
  if (exp - start > rules.maxLifetimeSeconds) return fail('the token lives longer than allowed')
  if ((iat !== undefined && exp <= iat) || (nbf !== undefined && exp <= nbf))
    return fail('exp is before its start')
  const times = { expiresAt: exp, notBefore: nbf, issuedAt: iat }
  const late = checkTimes(times, rules.leewaySeconds, now)
  return late === undefined ? ok(times) : fail(late)
}

/** What must be asked again at every use of a token that was verified before. The answer is the reason to refuse it. */
export function checkTimes(
  times: Pick<TokenTimes, 'expiresAt' | 'notBefore'>,
  leewaySeconds: number,
  now: EpochSeconds,
): string | undefined {
  if (now >= times.expiresAt + leewaySeconds) return 'expired'
  if (times.notBefore !== undefined && now < times.notBefore - leewaySeconds) return 'not valid yet'
  return undefined
}

function isInstant(value: unknown): value is EpochSeconds {
  return typeof value === 'number' && value >= 0 && value <= latest
}
