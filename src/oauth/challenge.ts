import { formatScope, type ScopeSet } from './scope-set.ts'

/** The error codes of a Bearer challenge: RFC 6750 §3.1 and RFC 9470 §3. */
export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'

/**
 * The value of `WWW-Authenticate` (RFC 6750 §3). Without an error it is the bare challenge for a request that
 * brought no credentials. Nothing here ever says which check failed.
 */
export function bearerChallenge(realm: string, error?: ChallengeError, scope?: ScopeSet): string {
  let challenge = `Bearer realm=${quote(realm)}`
  if (error !== undefined) challenge += `, error="${error}"`
  if (scope !== undefined && scope.length > 0) challenge += `, scope=${quote(formatScope(scope))}`
  return challenge
}

function quote(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
