import type { EpochSeconds } from '../base/clock.ts'
import { Recent } from '../base/recent.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { JsonObject } from '../base/strict-json.ts'
import { type Actor, actorSubjects, parseActor } from '../oauth/actor.ts'
import { emptyScope, parseScope, type ScopeSet } from '../oauth/scope-set.ts'

/** The claims of an access token that Hopgate acts on, typed (RFC 9068 §2.2, RFC 8693 §4). */
export interface AccessClaims {
  readonly subject: string
  readonly audience: readonly string[]
  readonly clientId: string | undefined
  readonly tokenId: string | undefined
  readonly scope: ScopeSet
  readonly actor: Actor | undefined
  readonly authenticationContext: string | undefined
  readonly authenticatedAt: EpochSeconds | undefined
}

const longestIdentifierBytes = 256
const mostAudiences = 100

/**
 * Reads who a token is for, about and from. A claim that is there must be well formed, or the token is refused: nothing
 * is repaired, skipped or converted. A `cnf` of any shape is refused, because a sender-constrained token must not pass
 * as a plain bearer token (RFC 9449 §7.1, RFC 8705 §3).
 *
 * @param maxActorDepth deepest `act` chain
 * @returns the error names the claim
 */
export function readAccessClaims(claims: JsonObject, maxActorDepth: number): Result<AccessClaims, string> {
  const { sub, client_id: clientId, azp, jti, acr, auth_time: authTime } = claims
  if (!isIdentifier(sub)) return fail('sub is missing or not an identifier')
  const audience = readAudience(claims.aud)
  if (audience === undefined) return fail('aud is missing or malformed')
  if (clientId !== undefined && !isIdentifier(clientId)) return fail('client_id is not an identifier')
  if (azp !== undefined && !isIdentifier(azp)) return fail('azp is not an identifier')
  if (jti !== undefined && !isIdentifier(jti)) return fail('jti is not an identifier')
  if (acr !== undefined && !isIdentifier(acr)) return fail('acr is not a string')
  if ('cnf' in claims) return fail('cnf: a sender-constrained token was presented as a bearer token')
  const scope = readScope(claims)
  if (scope === undefined) return fail('scope or scp is malformed')
  const actor = 'act' in claims ? parseActor(claims.act, maxActorDepth) : undefined
  if ('act' in claims && (actor === undefined || !actorSubjects(actor).every(isIdentifier))) {
    return fail(`act is malformed or deeper than ${maxActorDepth}`)
  }
  return ok({
    subject: sub,
    audience,
    clientId: clientId ?? azp,
    tokenId: jti,
    scope,
    actor,
    authenticationContext: acr,
    // One that is no time satisfies nothing, and is no reason to refuse the token where nobody asks for it.
    authenticatedAt: typeof authTime === 'number' && authTime >= 0 ? authTime : undefined,
  })
}

/**
 * Reads `aud` (RFC 7519 §4.1.3): one string or an array of 1 to 100 strings, none empty. A string is one audience,
 * spaces or not.
 */
export function readAudience(claim: unknown): readonly string[] | undefined {
  if (typeof claim === 'string') return claim === '' ? undefined : soleAudience(claim)
  if (!Array.isArray(claim) || claim.length === 0 || claim.length > mostAudiences) return undefined
  return claim.every(item => typeof item === 'string' && item !== '') ? claim : undefined
}

/** Tokens by the thousand name the same audience: one list serves them all. */
const soleAudiences = new Recent<string, readonly string[]>(256)

function soleAudience(name: string): readonly string[] {
  let list = soleAudiences.get(name)
  if (list === undefined) {
    list = Object.freeze([name])
    soleAudiences.set(name, list)
  }
  return list
}

/** Whether a value may name someone or something: 1 to 256 bytes, no control characters. */
export function isIdentifier(value: unknown): value is string {
  if (typeof value !== 'string' || value === '') return false
  return Buffer.byteLength(value) <= longestIdentifierBytes && !/\p{Cc}/u.test(value)
}

/** `scope` (RFC 8693 §4.2), or `scp` where a server writes that instead, as a string or an array. */
function readScope({ scope, scp }: JsonObject): ScopeSet | undefined {
  const named = scope === undefined ? emptyScope : readScopeText(scope)
  const short = scp === undefined ? emptyScope : readScopeText(Array.isArray(scp) ? joinScope(scp) : scp)
  if (named === undefined || short === undefined) return undefined
  return scope === undefined ? short : named
}

function readScopeText(value: unknown): ScopeSet | undefined {
  return typeof value === 'string' ? parseScope(value) : undefined
}

/** An array item that holds a space would be two scopes in the joined text, and is none. */
function joinScope(items: readonly unknown[]): string | undefined {
  return items.every(item => typeof item === 'string' && item !== '' && !item.includes(' '))
    ? items.join(' ')
    : undefined
}
