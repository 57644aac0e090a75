import type { EpochSeconds } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import { actorSubjects } from '../oauth/actor.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import { type ScopeSet, scopeSet } from '../oauth/scope-set.ts'
import { type TokenTypeUri, tokenType } from '../oauth/token-type.ts'
import type { Decision } from './decision.ts'
import type { ProtectedRoute, RouteId } from './route.ts'
import type { VerifiedToken } from './verified-token.ts'

const permitted: unique symbol = Symbol('permitted')

/**
 * What may be asked of the authorization server for one caller on one route (RFC 8693 §2.1). Branded with a symbol
 * that this module does not export: {@link permit} is the only constructor, and it needs a permit.
 */
export interface ExchangeRequest {
  readonly [permitted]: true
  readonly route: RouteId
  readonly subjectToken: Secret
  readonly subjectTokenType: TokenTypeUri
  /** Issuer of the subject token. */
  readonly issuer: string
  readonly subject: string
  /** `jti` of the subject token. */
  readonly tokenId: string | undefined
  /** Fingerprint of the subject token, see {@link VerifiedToken.fingerprint}. */
  readonly fingerprint: string
  /** `act` of the subject token as text: a token with another history is another request. */
  readonly actors: readonly string[]
  readonly authenticationContext: string | undefined
  /** The person who acts for the subject, by a token of their own (RFC 8693 §2.1 `actor_token`). */
  readonly person: ActingPerson | undefined
  readonly mode: Exclude<ExchangeMode, 'machine'>
  readonly caseId: string | undefined
  readonly audience: string
  readonly resource: string | undefined
  /** What is asked for: route ∩ presented ∩ policy. */
  readonly scope: ScopeSet
  /** What the issued token must hold for the route to work; within {@link scope}. */
  readonly requiredScope: ScopeSet
  readonly requestedTokenType: TokenTypeUri
  /** The first end of subject token, actor token and permit: nothing issued is kept or used longer. */
  readonly notAfter: EpochSeconds
  /** The route's or rule's bound on the issued token's life. */
  readonly ttlSeconds: number | undefined
}

/**
 * What this workload may ask for itself (RFC 6749 §4.4). Who called is not a part of it: the token is the workload's own,
 * whoever's request it is used for. Branded like {@link ExchangeRequest}; {@link permitMachine} is the only constructor.
 */
export interface MachineRequest {
  readonly [permitted]: true
  readonly route: RouteId
  readonly mode: 'machine'
  readonly audience: string
  readonly resource: string | undefined
  readonly scope: ScopeSet
  readonly requiredScope: ScopeSet
  readonly requestedTokenType: TokenTypeUri
  /** The end of the permit, if it has one. */
  readonly notAfter: EpochSeconds
  readonly ttlSeconds: number | undefined
  /** Dual identity: what is asked for beside it, for the caller; undefined when there is nothing to ask for. */
  readonly transaction: ExchangeRequest | undefined
}

/** A request for one token. */
export type TokenRequest = ExchangeRequest | MachineRequest

/** Who acts for the subject, proven by a token of their own. */
export interface ActingPerson {
  readonly token: Secret
  readonly tokenType: TokenTypeUri
  readonly issuer: string
  readonly subject: string
  readonly fingerprint: string
}

/** What a request brings besides the subject token. */
export interface Occasion {
  readonly actorToken: VerifiedToken | undefined
  readonly caseId: string | undefined
  /** A Transaction Token came along and is passed on as it is. */
  readonly hasTransaction: boolean
}

const noOccasion: Occasion = Object.freeze({
  actorToken: undefined,
  caseId: undefined,
  hasTransaction: false,
})

/**
 * Turns a permit into the request that it permits. The scope is the intersection of route, presented token and
 * decision; the life is the shortest of route and decision; so no permit can widen what was presented.
 *
 * An impersonation, and a person who acts, must be what a rule permitted: a permit that has no say in it is not enough.
 *
 * @returns undefined for a deny, for a permit of something else, or when a scope that the route requires did not survive the
 *   intersection
 */
export function permit(
  route: ProtectedRoute,
  token: VerifiedToken,
  decision: Decision,
  { actorToken, caseId }: Pick<Occasion, 'actorToken' | 'caseId'> = noOccasion,
): ExchangeRequest | undefined {
  const { mode } = route
  if (decision.effect !== 'permit' || mode === 'machine') return undefined
  if ((decision.mode ?? 'delegation') !== mode) return undefined
  if (actorToken !== undefined && decision.mode === undefined) return undefined
  const scope = narrowScope(route, token, decision.scope)
  if (scope === undefined) return undefined
  return Object.freeze({
    [permitted]: true as const,
    route: route.id,
    subjectToken: token.presented,
    subjectTokenType: token.tokenType,
    issuer: token.issuer,
    subject: token.subject,
    tokenId: token.tokenId,
    fingerprint: token.fingerprint,
    actors: actorSubjects(token.actor),
    authenticationContext: token.authenticationContext,
    person: actorToken && {
      token: actorToken.presented,
      tokenType: actorToken.tokenType,
      issuer: actorToken.issuer,
      subject: actorToken.subject,
      fingerprint: actorToken.fingerprint,
    },
    mode,
    caseId,
    audience: route.audience,
    resource: route.resource,
    scope,
    requiredScope: route.scope,
    requestedTokenType: route.requestedTokenType,
    notAfter: Math.min(token.expiresAt, actorToken?.expiresAt ?? Infinity, decision.notAfter ?? Infinity),
    ttlSeconds: shortest(route.ttlSeconds, decision.ttlSeconds),
  })
}

/**
 * Turns a permit for a machine into the request that it permits. The scope is narrowed as for an exchange: the caller gets
 * nothing done here for which its own token does not hold the scope.
 *
 * With dual identity the caller's token is exchanged too, for a Transaction Token, unless one came along.
 *
 * @returns as {@link permit}
 */
export function permitMachine(
  route: ProtectedRoute,
  token: VerifiedToken,
  decision: Decision,
  { caseId, hasTransaction }: Pick<Occasion, 'caseId' | 'hasTransaction'> = noOccasion,
): MachineRequest | undefined {
  if (decision.effect !== 'permit' || decision.mode !== 'machine' || route.mode !== 'machine')
    return undefined
  const scope = narrowScope(route, token, decision.scope)
  if (scope === undefined) return undefined
  return Object.freeze({
    [permitted]: true as const,
    route: route.id,
    mode: 'machine' as const,
    audience: route.audience,
    resource: route.resource,
    scope,
    requiredScope: route.scope,
    requestedTokenType: route.requestedTokenType,
    notAfter: decision.notAfter ?? Number.POSITIVE_INFINITY,
    ttlSeconds: shortest(route.ttlSeconds, decision.ttlSeconds),
    transaction: hasTransaction ? undefined : permitTransaction(route, token, decision, caseId),
  })
}

/** The Transaction Token of a route with dual identity: for the caller, in the trust domain, with the route's scope. */
function permitTransaction(
  route: ProtectedRoute,
  token: VerifiedToken,
  { mode: _, ...decision }: Extract<Decision, { readonly effect: 'permit' }>,
  caseId: string | undefined,
): ExchangeRequest | undefined {
  const { trustDomain, resource: __, ...rest } = route
  if (trustDomain === undefined) return undefined
  const asked = {
    ...rest,
    mode: 'delegation',
    audience: trustDomain,
    requestedTokenType: tokenType.transaction,
  } as const
  return permit(asked, token, decision, { actorToken: undefined, caseId })
}

/** Route ∩ presented ∩ permit; undefined when that lacks what the route cannot do without. */
function narrowScope(
  route: ProtectedRoute,
  token: VerifiedToken,
  permittedScope: ScopeSet | undefined,
): ScopeSet | undefined {
  const within = (scope: string): boolean =>
    token.scope.includes(scope) && (permittedScope === undefined || permittedScope.includes(scope))
  if (!route.scope.every(within)) return undefined
  const optional = route.optionalScope.filter(within)
  return optional.length === 0 ? route.scope : scopeSet([...route.scope, ...optional])
}

function shortest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b
  return b === undefined ? a : Math.min(a, b)
}
