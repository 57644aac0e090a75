import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { ExchangeRequest } from '../../model/exchange-request.ts'
import { actorSubjects } from '../../oauth/actor.ts'
import { isScopeWithin, parseScope, type ScopeSet } from '../../oauth/scope-set.ts'
import { readAccessClaims } from '../../tokens/access-claims.ts'
import type { CompactJws } from '../../tokens/compact-jws.ts'
import { describeValue } from '../../tokens/describe-value.ts'
import { checkTokenKind } from '../../tokens/token-kind.ts'
import { readTokenTimes } from '../../tokens/token-times.ts'

/** Which actors an issued token must name. */
export interface ActorRule {
  /** Our `client_id`, the new outermost actor. */
  readonly clientId: string
  /** `optional`: the server may leave out this client, but not the actors that were there before. */
  readonly actor: 'required' | 'optional'
}

/** What is taken from the claims of an issued token once they have passed. */
export interface IssuedClaims {
  /** Undefined when the token says nothing about scope. */
  readonly scope: ScopeSet | undefined
  /** Current actor first. */
  readonly actors: readonly string[]
  readonly tokenId: string | undefined
  readonly expiresAt: EpochSeconds
}

/** Accepted `typ`. Few servers write `at+jwt` yet; claims of other kinds of tokens are looked for as well. */
const types = ['at+jwt', 'jwt', 'none'] as const

/** Our clock and the server's may differ by this, for `nbf` and `iat`. */
const leewaySeconds = 30

/**
 * Compares the claims of a token, whose signature is good, with the request that it answers. Pure.
 *
 * @param server `iss` must be this
 * @returns the error names the claim, for the log
 */
export function checkIssuedClaims(
  jws: CompactJws,
  request: ExchangeRequest,
  rule: ActorRule,
  server: string,
  now: EpochSeconds,
): Result<IssuedClaims, string> {
  const { claims } = jws
  if (claims.iss !== server) return fail(`iss ${describeValue(claims.iss)} is not the server`)
  const otherKind = checkTokenKind(jws.header.type, claims, types)
  if (otherKind !== undefined) return fail(otherKind)
  const read = readAccessClaims(claims, request.actors.length + 1)
  if (!read.ok) return read
  const { subject, audience, scope, actor, tokenId } = read.value
  if (audience.length !== 1 || audience[0] !== request.audience) {
    return fail(`aud ${describeValue(claims.aud)} is not exactly the audience that was asked for`)
  }
  if (subject !== request.subject) return fail('sub is another subject')
  if (!isScopeWithin(scope, request.scope) || !isShortScopeWithin(claims.scp, request.scope)) {
    return fail('the token holds more scope than was asked for')
  }
  const actors = actorSubjects(actor)
  const wrongActors = checkActors(actors, request, rule)
  if (wrongActors !== undefined) return fail(wrongActors)
  // How long a token may live is bounded by the request and not by a rule of the issuer.
  const times = readTokenTimes(claims, { leewaySeconds, maxLifetimeSeconds: Number.MAX_SAFE_INTEGER }, now)
  if (!times.ok) return times
  return ok({
    scope: 'scope' in claims || 'scp' in claims ? scope : undefined,
    actors,
    tokenId,
    expiresAt: times.value.expiresAt,
  })
}

/**
 * An impersonation names nobody, and a person who acts comes first, before the actors that were there. Otherwise the chain must be this client in front of the actors that were there before (RFC 8693 §4.1), or unchanged when this
 * client already was the current actor, or, where the rule allows it, unchanged anyway. So no earlier actor can get
 * lost, and none can be made up.
 */
function checkActors(
  actors: readonly string[],
  { mode, person, actors: before }: Pick<ExchangeRequest, 'mode' | 'person' | 'actors'>,
  { clientId, actor }: ActorRule,
): string | undefined {
  if (mode === 'impersonation') return actors.length === 0 ? undefined : 'act is there in an impersonation'
  if (person !== undefined) {
    const expected = person.subject === before[0] ? before : [person.subject, ...before]
    return isSame(actors, expected)
      ? undefined
      : 'act is not the person who acts in front of the actors before'
  }
  if (isSame(actors, [clientId, ...before])) return undefined
  const mayBeUnchanged = actor === 'optional' || before[0] === clientId
  if (mayBeUnchanged && isSame(actors, before)) return undefined
  if (actors.length === 0) return 'act is missing'
  return 'act is not this client in front of the actors before'
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}

/** `scp` beside `scope`: some services look at the one and some at the other, so both must be within bounds. */
function isShortScopeWithin(scp: unknown, asked: ScopeSet): boolean {
  if (scp === undefined) return true
  const scope = parseScope(Array.isArray(scp) ? scp.join(' ') : String(scp))
  return scope !== undefined && isScopeWithin(scope, asked)
}
