import type { JsonObject } from '../base/strict-json.ts'
import { describeValue } from './describe-value.ts'

/** Media types of JWTs that are made for something else and must never pass as an access token (RFC 8725 §3.11). */
const otherTypes: ReadonlySet<string> = new Set([
  'client-authentication+jwt',
  'dc+sd-jwt',
  'dpop+jwt',
  'entity-statement+jwt',
  'kb+jwt',
  'logout+jwt',
  'oauth-authz-req+jwt',
  'oauth-client-attestation+jwt',
  'oauth-client-attestation-pop+jwt',
  'oauth-id-jag+jwt',
  'secevent+jwt',
  'statuslist+jwt',
  'token-introspection+jwt',
  'txntoken+jwt',
  'vc+sd-jwt',
  'wit+jwt',
  'wpt+jwt',
])

/** Stands for an absent `typ` in an issuer's rules. */
const absentType = 'none'

/** Values of Keycloak's body claim `typ` that name another kind of token. */
const otherBodyTypes: ReadonlySet<string> = new Set([
  'backchannel-logout',
  'dpop',
  'id',
  'logout',
  'offline',
  'refresh',
])

/** Values of Cognito's claim `token_use`, and its likes, for tokens that are not access tokens. */
const otherUses: ReadonlySet<string> = new Set(['id', 'id_token', 'refresh', 'refresh_token'])

/** Claims of logout tokens and security events (RFC 8417 §2.2), and of signed introspection answers (RFC 9701 §5). */
const claimsOfOthers = ['events', 'token_introspection'] as const

/** Claims of ID tokens (OpenID Connect Core §2, §3.3.2.11). */
const idTokenClaims = ['nonce', 'at_hash', 'c_hash', 's_hash'] as const

/**
 * Checks that a JWT is an access token and not another kind of token of the same issuer (RFC 8725 §3.12, RFC 9068 §4).
 * The header's `typ` must be one that the rules list, and is never one of the kinds that are typed for something else.
 * Under a `typ` that says nothing, claims that only other kinds carry give them away.
 *
 * @param types accepted types as in `IssuerRules.types`
 * @returns the reason for a refusal, or undefined
 */
export function checkTokenKind(
  type: string | undefined,
  claims: JsonObject,
  types: readonly string[],
): string | undefined {
  const name = type === undefined ? absentType : normalizeType(type)
  if (name === undefined || otherTypes.has(name) || !types.includes(name)) {
    return `typ ${describeValue(type)} is not accepted`
  }
  const otherKind = checkClaimsKind(claims)
  if (otherKind !== undefined) return otherKind
  if (name === 'at+jwt') return undefined
  for (const claim of idTokenClaims) {
    if (claim in claims) return `${claim} belongs to an ID token`
  }
  return undefined
}

/** Claims that give another kind of token away, wherever they stand. The answer is as for {@link checkTokenKind}. */
export function checkClaimsKind(claims: JsonObject): string | undefined {
  for (const claim of claimsOfOthers) {
    if (claim in claims) return `${claim} belongs to another kind of token`
  }
  if (isOneOf(claims.typ, otherBodyTypes))
    return `claim typ ${describeValue(claims.typ)} is not an access token`
  if (isOneOf(claims.token_use, otherUses)) {
    return `token_use ${describeValue(claims.token_use)} is not an access token`
  }
  return undefined
}

/** Lower case, without one `application/` (RFC 7515 §4.1.9); undefined for the word that stands for an absent type. */
export function normalizeType(type: string): string | undefined {
  const name = type.toLowerCase().replace(/^application\//, '')
  return name === absentType ? undefined : name
}

function isOneOf(value: unknown, names: ReadonlySet<string>): boolean {
  return typeof value === 'string' && names.has(value.toLowerCase())
}
