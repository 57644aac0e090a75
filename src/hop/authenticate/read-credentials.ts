import { fail, ok, type Result } from '../../base/result.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'

/** b64token of RFC 6750 §2.1. */
const bearer = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i
const bearerScheme = /^Bearer(?:[\s,]|$)/i

/**
 * Takes the bearer token out of an `Authorization` value: the scheme in any case, one space, one b64token.
 *
 * @param authorization undefined when the request brought none
 */
export function readBearerToken(authorization: string | undefined): Result<string, Refusal> {
  if (authorization === undefined) return fail(refusal('token.missing', 'no Authorization field'))
  // Nearly every request: nothing but the token's own syntax is left to check.
  if (authorization.startsWith('Bearer ') && isToken68(authorization, 7)) return ok(authorization.slice(7))
  const token = bearer.exec(authorization)?.[1]
  if (token !== undefined) return ok(token)
  if (bearerScheme.test(authorization))
    return fail(refusal('token.malformed', 'Bearer without exactly one token'))
  return fail(refusal('token.missing', 'an Authorization scheme other than Bearer'))
}

/** Whether the rest is letters, digits, `-`, `.` and `_`: what every compact JWT is made of. */
function isToken68(text: string, start: number): boolean {
  if (start === text.length) return false
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const isWordCharacter =
      (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95
    if (!isWordCharacter && code !== 45 && code !== 46) return false
  }
  return true
}
