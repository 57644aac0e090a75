import { fail, type Result } from '../base/result.ts'
import type { StepUp } from '../oauth/step-up.ts'

/**
 * Error codes of the token endpoint: RFC 6749 §5.2, RFC 8707 §2, and for what the policy says no to, with RFC 9470's word for
 * what another login would change; and one for what passes by itself.
 */
export type TokenErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'access_denied'
  | 'insufficient_user_authentication'
  | 'temporarily_unavailable'
  | 'server_error'

/** Why a token was not issued. */
export interface TokenError {
  readonly code: TokenErrorCode
  /** Told to the client as `error_description`. Our own words: never a part of the request. */
  readonly description: string
  /** For the record only, where it may say more. Holds no token, no secret and no text of the request either. */
  readonly detail: string
  /** Replaces the status that the code has by itself. */
  readonly status?: number
  readonly retryAfterSeconds?: number
  /** Told to the client as `acr_values` and `max_age` (RFC 9470 §3). */
  readonly stepUp?: StepUp
}

const statusOf: Readonly<Record<TokenErrorCode, number>> = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  invalid_target: 400,
  access_denied: 403,
  insufficient_user_authentication: 400,
  temporarily_unavailable: 503,
  server_error: 500,
}

/** An error whose record may say more (`detail`) than the client is told (`description`). */
export function tokenError(
  code: TokenErrorCode,
  description: string,
  detail: string = description,
): TokenError {
  return { code, description, detail }
}

/** Refuses a client. It only learns that its authentication failed; `detail` says why, for the record. */
export function refuseClient(detail: string): Result<never, TokenError> {
  return fail(tokenError('invalid_client', 'client authentication failed', detail))
}

/** The HTTP status of an error. */
export function tokenErrorStatus(error: TokenError): number {
  return error.status ?? statusOf[error.code]
}
