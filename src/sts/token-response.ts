import type { HttpResponse } from '../base/http-message.ts'
import { formatScope } from '../oauth/scope-set.ts'
import type { Issuance } from './grant.ts'
import type { MintedToken } from './issue-token.ts'
import { type TokenError, tokenErrorStatus } from './token-error.ts'

/** The fields of every answer to a client (RFC 6749 §5.1). There is no CORS: no browser has business here. */
export const noStoreHeaders = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
} as const

/** The answer with a token (RFC 6749 §5.1, RFC 8693 §2.2.1). `scope` always says what was granted, also when that is nothing. */
export function tokenResponse(issuance: Issuance, token: MintedToken): HttpResponse {
  const body = JSON.stringify({
    access_token: token.value.expose(),
    // Left out when there is none.
    issued_token_type: issuance.issuedTokenType,
    token_type: issuance.format.tokenType,
    expires_in: token.expiresInSeconds,
    scope: formatScope(issuance.scope),
  })
  return { status: 200, headers: noStoreHeaders, body }
}

/** The answer with an error (RFC 6749 §5.2). Every 401 names the scheme, as RFC 9110 §15.5.2 wants. */
export function tokenErrorResponse(error: TokenError): HttpResponse {
  const status = tokenErrorStatus(error)
  return {
    status,
    headers: {
      ...noStoreHeaders,
      ...(status === 401 && { 'www-authenticate': 'Basic realm="token", charset="UTF-8"' }),
      ...(error.retryAfterSeconds !== undefined && { 'retry-after': String(error.retryAfterSeconds) }),
    },
    body: JSON.stringify({
      error: error.code,
      error_description: error.description,
      // As RFC 9470 §3 names them in a challenge; left out when there are none.
      acr_values: error.stepUp?.acrValues?.join(' '),
      max_age: error.stepUp?.maxAgeSeconds,
    }),
  }
}

/** A method that the token endpoint does not have. */
export function methodNotAllowed(allow: string): HttpResponse {
  const body = JSON.stringify({ error: 'invalid_request', error_description: `the method must be ${allow}` })
  return { status: 405, headers: { ...noStoreHeaders, allow }, body }
}
