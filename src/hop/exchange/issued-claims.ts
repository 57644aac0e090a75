import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { ExchangeRequest, TokenRequest } from '../../model/exchange-request.ts'
import { actorSubjects } from '../../oauth/actor.ts'
import { isScopeWithin, parseScope, type ScopeSet } from '../../oauth/scope-set.ts'
import { tokenType } from '../../oauth/token-type.ts'
import { isIdentifier, readAccessClaims } from '../../tokens/access-claims.ts'
import type { CompactJws } from '../../tokens/compact-jws.ts'
import { describeValue } from '../../tokens/describe-value.ts'
import { checkTokenKind } from '../../tokens/token-kind.ts'
import { readTokenTimes } from '../../tokens/token-times.ts'
import { transactionTokenType } from '../../tokens/transaction-token.ts'

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

/** What the claims of an issued token are measured against. */
export interface Expectation {
  readonly subject: string
  readonly audience: string
  readonly scope: ScopeSet
  /** What `client_id` must be, where the token has one; undefined leaves it open. */
  readonly clientId: string | undefined
  readonly mostActors: number
  readonly checkKind: (jws: CompactJws) => string | undefined
  readonly checkActors: (actors: readonly string[]) => string | undefined
}

/** What a request makes of it: the subject's token for this client, or this client's own. */
export function expectationOf(request: TokenRequest, rule: ActorRule): Expectation {
  const { audience, scope } = request
  if (request.mode === 'machine') {
    const { clientId } = rule
    const checkActors = (actors: readonly string[]): string | undefined =>
      actors.length === 0 ? undefined : "act is there in the client's own token"
    return {
      subject: clientId,
      audience,
      scope,
      clientId,
      mostActors: 1,
      checkKind: checkAccessToken,
      checkActors,
    }
  }
  const isTransaction = request.requestedTokenType === tokenType.transaction
  return {
    subject: request.subject,
    audience,
    scope,
    clientId: undefined,
    mostActors: request.actors.length + 1,
    checkKind: isTransaction ? checkTransactionToken : checkAccessToken,
    checkActors: actors => checkActors(actors, request, rule),
  }
}

function checkAccessToken({ header, claims }: CompactJws): string | undefined {
  return checkTokenKind(header.type, claims, types)
}

/** What has no `txn` carries no transaction, whatever its type says. */
function checkTransactionToken({ header, claims }: CompactJws): string | undefined {
  if (header.type?.toLowerCase().replace(/^application\//, '') !== transactionTokenType) {
    return `typ ${describeValue(header.type)} is not that of a Transaction Token`
  }
  return isIdentifier(claims.txn) ? undefined : 'txn is missing or not an identifier'
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
  expected: Expectation,
  server: string,
  now: EpochSeconds,
): Result<IssuedClaims, string> {
  const { claims } = jws
  if (claims.iss !== server) return fail(`iss ${describeValue(claims.iss)} is not the server`)
  const otherKind = expected.checkKind(jws)
  if (otherKind !== undefined) return fail(otherKind)
  const read = readAccessClaims(claims, expected.mostActors)
  if (!read.ok) return read
  const { subject, audience, scope, actor, tokenId, clientId } = read.value
  if (audience.length !== 1 || audience[0] !== expected.audience) {
    return fail(`aud ${describeValue(claims.aud)} is not exactly the audience that was asked for`)
  }
  if (subject !== expected.subject) return fail('sub is another subject')
  if (expected.clientId !== undefined && clientId !== undefined && clientId !== expected.clientId) {
    return fail('client_id is another client')
  }
  if (!isScopeWithin(scope, expected.scope) || !isShortScopeWithin(claims.scp, expected.scope)) {
    return fail('the token holds more scope than was asked for')
  }
  const actors = actorSubjects(actor)
  const wrongActors = expected.checkActors(actors)
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
