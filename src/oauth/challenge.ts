import { asciiJson } from '../base/json-text.ts'
import { formatScope, type ScopeSet } from './scope-set.ts'
import type { StepUp } from './step-up.ts'

/** The error codes of a Bearer challenge: RFC 6750 §3.1 and RFC 9470 §3. */
export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'

/** Where a challenge comes from. */
export interface ProtectionSpace {
  /** The service's name (RFC 9110 §11.5). */
  readonly realm: string
  /** URL of the resource's metadata, which says whose tokens are taken (RFC 9728 §5.1). */
  readonly resourceMetadata?: string | undefined
}

/** What a challenge asks for, beside its error. */
export interface ChallengeDemand {
  readonly scope?: ScopeSet | undefined
  readonly stepUp?: StepUp | undefined
}

/**
 * The value of `WWW-Authenticate` (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1). Without an error it is the bare challenge for a request
 * that brought no credentials. Nothing here ever says which check failed.
 */
export function bearerChallenge(
  { realm, resourceMetadata }: ProtectionSpace,
  error?: ChallengeError,
  demand: ChallengeDemand = {},
): string {
  const { scope, stepUp } = demand
  let challenge = `Bearer realm=${quote(realm)}`
  if (error !== undefined) challenge += `, error="${error}"`
  if (scope !== undefined && scope.length > 0) challenge += `, scope=${quote(formatScope(scope))}`
  if (stepUp !== undefined) challenge += stepUpParameters(stepUp)
  return resourceMetadata === undefined
    ? challenge
    : `${challenge}, resource_metadata=${quote(resourceMetadata)}`
}

/** `claims` is the base64 of JSON, as Microsoft's servers write it and its client libraries read it. */
function stepUpParameters({ acrValues, maxAgeSeconds, claims }: StepUp): string {
  let parameters = ''
  if (acrValues !== undefined) parameters += `, acr_values=${quote(acrValues.join(' '))}`
  if (maxAgeSeconds !== undefined) parameters += `, max_age="${maxAgeSeconds}"`
  if (claims !== undefined) {
    parameters += `, claims="${Buffer.from(asciiJson(claims), 'ascii').toString('base64')}"`
  }
  return parameters
}

function quote(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
