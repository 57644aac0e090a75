import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { DecisionFacts } from '../../model/audit-event.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { isScopeWithin, type ScopeSet } from '../../oauth/scope-set.ts'
import type { TokenTypeUri } from '../../oauth/token-type.ts'
import type { ClaimNames } from '../../policy/document.ts'
import { isNamedByMayAct } from '../../policy/may-act.ts'
import { readParty } from '../../policy/party.ts'
import { caseIdOf } from '../../policy/read-case.ts'
import type { Issuance } from '../grant.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import { accessTokenFormat } from '../token-format.ts'
import { type Authority, askPolicy, type Denial } from './authority.ts'
import { carryClaims } from './carried-claims.ts'
import { type ActorBudget, type NewActor, nestActor } from './delegation.ts'
import type { ExchangeTarget } from './exchange-parameters.ts'

/** What decides about tokens for a subject who is not the client itself. */
export interface IssuanceRules extends Authority {
  /** The token service's own issuer identifier. */
  readonly issuer: string
  readonly maxTtlSeconds: number
  readonly budget: ActorBudget
}

/** A request of an authenticated client whose tokens were verified. */
export interface SubjectRequest {
  readonly client: StsClient
  readonly target: ExchangeTarget
  /** What is asked for; empty asks for none. */
  readonly scope: ScopeSet
  readonly subject: VerifiedToken
  readonly actorToken: VerifiedToken | undefined
  readonly mode: 'delegation' | 'impersonation'
  readonly caseId: string | undefined
  readonly issuedTokenType: TokenTypeUri | undefined
  readonly now: EpochSeconds
}

export interface PermittedIssuance {
  readonly issuance: Omit<Issuance, 'facts'>
  readonly caseId: string | undefined
  readonly decision: DecisionFacts | undefined
}

/**
 * Everything that verified tokens, the client's configuration and the policy decide about a token for a subject. Each check can
 * only refuse, and what is issued is no wider than what is presented, configured and permitted, all three.
 */
export async function permitIssuance(
  rules: IssuanceRules,
  request: SubjectRequest,
): Promise<Result<PermittedIssuance, Denial>> {
  const { client, target, subject, actorToken } = request
  const refusal = checkTokens(rules, request)
  if (refusal !== undefined) return fail({ error: refusal, decision: undefined })
  if (!isScopeWithin(request.scope, subject.scope) || !isScopeWithin(request.scope, target.scope)) {
    const error = tokenError('invalid_scope', 'scope is wider than the subject token or the client allows')
    return fail({ error, decision: undefined })
  }
  const caseId = caseIdOf(subject, request.caseId)
  if (!caseId.ok) return fail({ error: tokenError('invalid_request', caseId.error), decision: undefined })

  const { audience } = target
  const { scope, mode, now } = request
  const permitted = await askPolicy(rules, {
    mode,
    client: client.id,
    audience,
    scope,
    subject,
    actorToken,
    caseId: request.caseId,
    now,
  })
  if (!permitted.ok) return permitted
  const { decision, notAfter = Number.POSITIVE_INFINITY } = permitted.value
  const actor = actorOf(rules, request)
  const nested = nestActor(subject, actor, rules.budget)
  if (!nested.ok) return fail({ error: nested.error, decision })
  const { policy, issuer, maxTtlSeconds } = rules
  const carried = carryClaims(subject, issuer, policy?.document.claims.tenant)
  const label = mode === 'impersonation' && labelOf(nested.value, client.id, carried['impersonator'])
  if (label && Buffer.byteLength(JSON.stringify(label)) > rules.budget.maxActorBytes) {
    return fail({ error: tokenError('invalid_request', 'the chain of impersonators is too long'), decision })
  }
  const lives = [maxTtlSeconds, target.ttlSeconds, permitted.value.ttlSeconds]
  return ok({
    caseId: caseId.value,
    decision,
    issuance: {
      subject: subject.subject,
      audience,
      scope,
      actor: mode === 'impersonation' ? undefined : nested.value,
      claims: {
        ...carried,
        ...(caseId.value !== undefined && { case_id: caseId.value }),
        ...(label && { impersonator: label }),
      },
      derivedFrom: actorToken === undefined ? [subject] : [subject, actorToken],
      notAfter,
      ttlSeconds: Math.min(...lives.filter(life => life !== undefined)),
      format: accessTokenFormat,
      issuedTokenType: request.issuedTokenType,
    },
  })
}

function checkTokens(
  { issuer }: IssuanceRules,
  { client, subject, actorToken, mode }: SubjectRequest,
): TokenError | undefined {
  const isForClient = (token: VerifiedToken): boolean =>
    [client.id, ...client.accepts].some(audience => token.audience.includes(audience))
  if (!isForClient(subject)) return tokenError('invalid_request', 'client is not within the token audience')
  if (actorToken !== undefined && !isForClient(actorToken)) {
    return tokenError('invalid_request', "client is not within the actor token's audience")
  }
  if ('cnf' in subject.claims || (actorToken !== undefined && 'cnf' in actorToken.claims)) {
    return tokenError('invalid_request', 'a token is bound to a key')
  }
  const mayAct = subject.claims['may_act']
  if (mode === 'impersonation' && mayAct !== undefined) {
    return tokenError('invalid_request', 'may_act of the subject token is for delegation')
  }
  const party =
    actorToken === undefined
      ? { id: client.id, issuer }
      : { id: actorToken.subject, issuer: actorToken.issuer, clientId: actorToken.clientId }
  if (!isNamedByMayAct(mayAct, party)) {
    return tokenError('invalid_request', 'may_act of the subject token names another actor')
  }
  return undefined
}

function actorOf({ issuer, policy }: IssuanceRules, { client, actorToken }: SubjectRequest): NewActor {
  if (actorToken === undefined || policy === undefined) return { id: client.id, issuer }
  const { claims } = policy.document
  const person = readParty(actorToken, claims, issuer)
  return { id: person.subject, issuer: person.issuer, membership: membershipOf(person, claims) }
}

/** What the rules may ask of the person at the next hop, where there is no token of theirs. */
function membershipOf(
  { tenant, roles }: ReturnType<typeof readParty>,
  names: ClaimNames,
): Readonly<Record<string, unknown>> {
  return {
    ...(tenant !== undefined && { [names.tenant]: tenant }),
    ...(roles.length > 0 && { [names.roles]: roles }),
  }
}

/**
 * Who impersonates, and through which client. The label is all that tells it, so it also keeps who acted before, and who
 * impersonated the subject before.
 */
function labelOf(
  actor: Readonly<Record<string, unknown>>,
  clientId: string,
  prior: unknown,
): Readonly<Record<string, unknown>> {
  return { ...actor, client_id: clientId, ...(prior !== undefined && { impersonator: prior }) }
}
