import type { EpochSeconds } from '../base/clock.ts'
import type { JsonObject } from '../base/strict-json.ts'

/** How a user must have authenticated for a request to pass (RFC 9470 §3). At least one member is there. */
export interface StepUp {
  /** Authentication contexts of which one is needed, in order of preference. Never empty. */
  readonly acrValues?: readonly string[] | undefined
  /** How long ago the user may have authenticated actively, in seconds. */
  readonly maxAgeSeconds?: number | undefined
  /** Claims that the authorization server wants to be asked for (OpenID Connect Core §5.5). Only ever relayed. */
  readonly claims?: JsonObject | undefined
}

/** What a token tells about the user's authentication (RFC 9470 §6). */
export interface Authentication {
  /** `acr`. */
  readonly authenticationContext?: string | undefined
  /** `auth_time`. */
  readonly authenticatedAt?: EpochSeconds | undefined
  /** `iat`, which was compared with our clock before. */
  readonly issuedAt?: EpochSeconds | undefined
}

/**
 * Whether a token satisfies what is required, now. What the token does not tell is not satisfied, and neither is a time
 * that is still to come, unless the token itself, by its issuer's clock, is as young.
 */
export function satisfiesStepUp(
  required: StepUp,
  { authenticationContext, authenticatedAt, issuedAt }: Authentication,
  now: EpochSeconds,
): boolean {
  const { acrValues, maxAgeSeconds, claims } = required
  // What is only relayed cannot be checked here, so it is never known to hold.
  if (claims !== undefined) return false
  if (
    acrValues !== undefined &&
    (authenticationContext === undefined || !acrValues.includes(authenticationContext))
  ) {
    return false
  }
  if (maxAgeSeconds === undefined) return true
  if (authenticatedAt === undefined || authenticatedAt > Math.max(now, issuedAt ?? now)) return false
  return now - authenticatedAt <= maxAgeSeconds
}

const mostAcrValues = 16

/** One `acr` value as it may stand among others in a challenge: visible ASCII without quotes and backslash. */
export function isAcrValue(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/.test(value)
}

/** Reads `acr_values` that somebody else wrote: 1 to 16 values, single spaces between. Undefined for anything else. */
export function readAcrValues(value: unknown): readonly string[] | undefined {
  if (typeof value !== 'string') return undefined
  const values = value.split(' ')
  return values.length <= mostAcrValues && values.every(isAcrValue) ? values : undefined
}

const longestMaxAgeSeconds = 366 * 86_400

/** Reads `max_age` that somebody else wrote: whole seconds up to a year, as a number or as digits. */
export function readMaxAge(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isSafeInteger(seconds)) return undefined
  return seconds >= 0 && seconds <= longestMaxAgeSeconds ? seconds : undefined
}
