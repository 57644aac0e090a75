import { fail, ok, type Result } from '../base/result.ts'
import { Secret } from '../base/secret.ts'
import { isJsonObject, parseStrictJson } from '../base/strict-json.ts'

/**
 * A successful answer of a token endpoint (RFC 6749 §5.1, RFC 8693 §2.2.1), taken apart and not yet believed.
 * A refresh token or ID token that came along is left behind here.
 */
export interface TokenResponse {
  /** `access_token`: the issued token, whatever its type. */
  readonly token: Secret
  /** As written; compare without case. */
  readonly tokenType: string
  readonly issuedTokenType: string | undefined
  readonly scope: string | undefined
  /** `expires_in` as the server wrote it. */
  readonly expiresIn: unknown
}

/** Reads the body of a 200. The error names what is wrong and quotes nothing. */
export function readTokenResponse(body: string): Result<TokenResponse, string> {
  const answer = parseStrictJson(body)
  if (!isJsonObject(answer)) return fail('the answer is not a strict JSON object')
  const { access_token: token, token_type: tokenType, issued_token_type: issuedTokenType, scope } = answer
  if ('error' in answer) return fail('the answer is an error with status 200')
  if (typeof token !== 'string' || token === '') return fail('access_token is missing or not a string')
  if (typeof tokenType !== 'string') return fail('token_type is missing or not a string')
  if (issuedTokenType !== undefined && typeof issuedTokenType !== 'string') {
    return fail('issued_token_type is not a string')
  }
  if (scope !== undefined && typeof scope !== 'string') return fail('scope is not a string')
  return ok({ token: new Secret(token), tokenType, issuedTokenType, scope, expiresIn: answer['expires_in'] })
}
