import type { EpochSeconds } from '../base/clock.ts'
import { digestFields, sha256Base64Url } from '../base/digest.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { Secret } from '../base/secret.ts'
import type { JsonObject } from '../base/strict-json.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { actorSubjects } from '../oauth/actor.ts'
import { tokenType } from '../oauth/token-type.ts'
import { readAccessClaims } from './access-claims.ts'
import { describeValue } from './describe-value.ts'
import type { AskedIssuer } from './introspection-answers.ts'
import { checkClaimsKind } from './token-kind.ts'
import { readTokenTimes } from './token-times.ts'
import { quotesSecret } from './withhold-secret.ts'

/** A token that its issuer calls active and that passed every other check. */
export interface IntrospectedToken {
  readonly token: VerifiedToken
  readonly notBefore: EpochSeconds | undefined
}

/**
 * Measures what an issuer says of an active token against the issuer's rules, as if it were the claims of a JWT: that a
 * token is active says neither that it is for this service nor that it is an access token. `sub`, `aud` and `exp`, which
 * RFC 7662 leaves out at will, must be there.
 *
 * @returns the error names the member
 */
export function readIntrospectedToken(
  presented: string,
  { rules, config }: AskedIssuer,
  members: JsonObject,
  now: EpochSeconds,
): Result<IntrospectedToken, string> {
  const { iss, token_type: type } = members
  if (iss !== undefined && iss !== rules.issuer) return fail(`iss ${describeValue(iss)} is another issuer`)
  const otherKind = checkIntrospectedKind(members)
  if (otherKind !== undefined) return fail(otherKind)
  const signed = signedPart(presented)
  if (type === undefined && signed === undefined && config.tokenType === 'required') {
    return fail('token_type is missing')
  }
  const claims = readAccessClaims(members, rules.maxActorDepth)
  if (!claims.ok) return claims
  if (!claims.value.audience.some(audience => rules.audience.includes(audience))) {
    return fail('aud names nobody here')
  }
  const times = readTokenTimes(members, rules, now)
  if (!times.ok) return times
  const { subject, clientId, tokenId, actor } = claims.value
  const named = [subject, clientId, ...actorSubjects(actor), ...claims.value.scope]
  if (named.some(name => name !== undefined && quotesSecret(name, presented))) {
    return fail('a member quotes the token')
  }
  const { expiresAt, issuedAt, notBefore } = times.value
  const token = Object.freeze({
    presented: new Secret(presented),
    tokenType: tokenType.accessToken,
    issuer: rules.issuer,
    ...claims.value,
    // Some servers name a token by itself, and the record names it by its fingerprint anyway.
    tokenId: tokenId !== undefined && quotesSecret(tokenId, presented) ? undefined : tokenId,
    issuedAt,
    expiresAt,
    fingerprint:
      signed === undefined
        ? digestFields('hopgate opaque token', [presented]).toString('base64url')
        : sha256Base64Url(signed),
    claims: members,
  })
  return ok({ token, notBefore })
}

/** `token_type` as servers write it for a plain bearer access token (RFC 6749 §5.1, RFC 8693 §2.2.1). */
const bearerTypes: ReadonlySet<string> = new Set(['bearer', 'access_token'])

/** Checks that what an issuer calls active is a bearer access token; the answer is the reason for a refusal. */
export function checkIntrospectedKind(members: JsonObject): string | undefined {
  const { token_type: type } = members
  if (type !== undefined && !(typeof type === 'string' && bearerTypes.has(type.toLowerCase()))) {
    return `token_type ${describeValue(type)} is not Bearer`
  }
  return checkClaimsKind(members)
}

/** What the issuer signed of a JWS, by the look of it; undefined for any other token. */
export function signedPart(presented: string): string | undefined {
  const [header = '', payload, signature, ...more] = presented.split('.', 4)
  if (payload === undefined || signature === undefined || more.length > 0) return undefined
  const isObject = Buffer.from(header, 'base64url').toString('latin1').trimStart().startsWith('{')
  return isObject ? `${header}.${payload}` : undefined
}
