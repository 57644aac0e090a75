import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { Refusal } from '../../model/refusal.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { actorSubjects, parseActor } from '../../oauth/actor.ts'
import { grantType } from '../../oauth/grant-type.ts'
import {
  emptyScope,
  formatScope,
  intersectScope,
  isScopeWithin,
  type ScopeSet,
} from '../../oauth/scope-set.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import type { Grant, Issuance } from '../grant.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import { accessTokenFormat } from '../token-format.ts'
import { noFacts, type TokenFacts } from '../token-service-event.ts'
import { carryClaims } from './carried-claims.ts'
import { isNamedByMayAct, nestActor } from './delegation.ts'
import {
  chooseTarget,
  type ExchangeParameters,
  type ExchangeTarget,
  exchangeTargets,
  readExchangeParameters,
} from './exchange-parameters.ts'

export interface TokenExchangeOptions {
  /** The token service's own issuer identifier. */
  readonly issuer: string
  /** Verifies subject tokens of every issuer that is accepted, the service itself included. */
  readonly verifier: Verifier
  readonly clients: readonly StsClient[]
  readonly maxTtlSeconds: number
  readonly maxActorDepth: number
}

/**
 * Token exchange as delegation (RFC 8693 §2): the authenticated client becomes the actor of a token for the same
 * subject and one audience. It only narrows: scope within what the subject token holds and the client's entry for the
 * audience allows, life within the subject token's.
 */
export function createTokenExchangeGrant(options: TokenExchangeOptions): Grant {
  const targetsOf = new Map(options.clients.map(client => [client.id, exchangeTargets(client)]))
  return {
    grantType: grantType.tokenExchange,
    isImplied: true,
    async authorize({ form, now }, client) {
      const target = chooseTarget(form, targetsOf.get(client.id) ?? new Map())
      const facts: TokenFacts = {
        ...noFacts,
        client: client.id,
        audience: target.ok ? target.value.audience : undefined,
      }
      const parameters = readExchangeParameters(form)
      if (!parameters.ok) return fail({ error: parameters.error, facts })
      if (!target.ok) return fail({ error: target.error, facts })
      const token = await options.verifier.verify(parameters.value.subjectToken, now)
      if (!token.ok) return fail({ error: unacceptable(token.error), facts })
      const { scope } = parameters.value
      const known: TokenFacts = {
        ...facts,
        ...describeSubject(token.value),
        scope: describeScope(scope, target.value),
      }
      const issuance = permit(options, client, target.value, parameters.value, token.value)
      return issuance.ok
        ? ok({ ...issuance.value, facts: describeIssuance(known, issuance.value) })
        : fail({ error: issuance.error, facts: known })
    },
  }
}

/** Everything that a verified subject token and the client's configuration decide. Each check can only refuse. */
function permit(
  options: TokenExchangeOptions,
  client: StsClient,
  target: ExchangeTarget,
  parameters: ExchangeParameters,
  token: VerifiedToken,
): Result<Omit<Issuance, 'facts'>, TokenError> {
  const acting = { id: client.id, issuer: options.issuer }
  if (![client.id, ...client.accepts].some(audience => token.audience.includes(audience))) {
    return fail(tokenError('invalid_request', 'client is not within the token audience'))
  }
  if ('cnf' in token.claims) {
    return fail(tokenError('invalid_request', 'the subject token is bound to a key'))
  }
  if (!isNamedByMayAct(token.claims['may_act'], acting)) {
    return fail(tokenError('invalid_request', 'may_act of the subject token names another actor'))
  }
  const scope = narrowScope(parameters.scope, token.scope, target.scope)
  if (scope === undefined) {
    return fail(tokenError('invalid_scope', 'scope is wider than the subject token or the client allows'))
  }
  const actor = nestActor(token, acting, options.maxActorDepth)
  if (!actor.ok) return actor
  return ok({
    subject: token.subject,
    audience: target.audience,
    scope,
    actor: actor.value,
    claims: carryClaims(token, options.issuer),
    derivedFrom: [token],
    notAfter: token.expiresAt,
    ttlSeconds: Math.min(target.ttlSeconds ?? options.maxTtlSeconds, options.maxTtlSeconds),
    format: accessTokenFormat,
    issuedTokenType: parameters.issuedTokenType,
  })
}

/**
 * undefined when more is asked for than both hold. A subject token without scope holds none; who asks for no scope gets
 * none, since a default would be more than was asked for (RFC 6749 §3.3 leaves the default to the server).
 */
function narrowScope(
  requested: ScopeSet | undefined,
  held: ScopeSet,
  configured: ScopeSet,
): ScopeSet | undefined {
  if (requested === undefined) return emptyScope
  const most = intersectScope(held, configured)
  return isScopeWithin(requested, most) ? requested : undefined
}

/** The client may try again when only the issuer's keys could not be fetched. */
function unacceptable(refusal: Refusal): TokenError {
  const detail = `subject token: ${refusal.detail}`
  return refusal.code === 'token.keys_unavailable'
    ? tokenError('temporarily_unavailable', 'try again', detail)
    : tokenError('invalid_request', 'the subject token is not acceptable', detail)
}

function describeSubject(token: VerifiedToken): Partial<TokenFacts> {
  return {
    subject: token.subject,
    issuer: token.issuer,
    subjectFingerprint: token.fingerprint,
    actors: actorSubjects(token.actor),
  }
}

/** Of the requested scopes those that are configured: any other text may be anything, a misplaced token included. */
function describeScope(requested: ScopeSet | undefined, target: ExchangeTarget): string | undefined {
  return requested === undefined ? undefined : formatScope(intersectScope(requested, target.scope))
}

function describeIssuance(facts: TokenFacts, issuance: Omit<Issuance, 'facts'>): TokenFacts {
  const chain = parseActor(issuance.actor, Number.POSITIVE_INFINITY)
  return { ...facts, scope: formatScope(issuance.scope), actors: actorSubjects(chain) }
}
