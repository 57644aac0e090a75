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
  const token = bearer.exec(authorization)?.[1]
  if (token !== undefined) return ok(token)
  if (bearerScheme.test(authorization))
    return fail(refusal('token.malformed', 'Bearer without exactly one token'))
  return fail(refusal('token.missing', 'an Authorization scheme other than Bearer'))
}
