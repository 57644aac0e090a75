import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { DecisionFacts } from '../../model/audit-event.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { actorSubjects, parseActor } from '../../oauth/actor.ts'
import { formatScope, type ScopeSet } from '../../oauth/scope-set.ts'
import type { PolicyQuestion } from '../../policy/question.ts'
import { caseIdOf } from '../../policy/read-case.ts'
import type { GrantRefusal, Issuance } from '../grant.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenFacts } from '../token-service-event.ts'
import { askPolicy, type Denial } from './authority.ts'
import { carryClaims } from './carried-claims.ts'
import { nestActor } from './delegation.ts'
import type { IssuanceRules } from './permit-issuance.ts'

/** A client that acts itself for the subject of a token that was verified and may be presented by it. */
export interface DelegationRequest {
  /** Its client id. */
  readonly client: string
  readonly audience: string
  /** What is asked for, within what the subject token holds and the client may have. */
  readonly scope: ScopeSet
  readonly subject: VerifiedToken
  readonly ticket?: PolicyQuestion['ticket']
  /** Upper bound of the client's own configuration. */
  readonly ttlSeconds: number | undefined
  readonly now: EpochSeconds
}

/** What the policy and the budgets left of it. */
export interface PermittedDelegation
  extends Pick<Issuance, 'subject' | 'audience' | 'scope' | 'actor' | 'claims' | 'notAfter' | 'ttlSeconds'> {
  readonly decision: DecisionFacts | undefined
}

/** Asks the policy and makes what every token of a delegation has in common: the chain of actors, carried claims, its life. */
export async function permitDelegation(
  rules: IssuanceRules,
  { ttlSeconds, ...question }: DelegationRequest,
): Promise<Result<PermittedDelegation, Denial>> {
  const { client, subject, audience, scope } = question
  const { issuer, policy, maxTtlSeconds } = rules
  const caseId = caseIdOf(subject, undefined)
  if (!caseId.ok) return refuseDelegation(tokenError('invalid_request', caseId.error))
  const permitted = await askPolicy(rules, { ...question, mode: 'delegation' })
  if (!permitted.ok) return permitted
  const { decision, notAfter = Number.POSITIVE_INFINITY } = permitted.value
  const actor = nestActor(subject, { id: client, issuer }, rules.budget)
  if (!actor.ok) return fail({ error: actor.error, decision })
  const lives = [maxTtlSeconds, ttlSeconds, permitted.value.ttlSeconds]
  return ok({
    subject: subject.subject,
    audience,
    scope,
    actor: actor.value,
    claims: {
      ...carryClaims(subject, issuer, policy?.document.claims.tenant),
      ...(caseId.value !== undefined && { case_id: caseId.value }),
    },
    notAfter,
    ttlSeconds: Math.min(...lives.filter(life => life !== undefined)),
    decision,
  })
}

/** A refusal that no decision of the policy is behind. */
export function refuseDelegation(error: TokenError): Result<never, Denial> {
  return fail({ error, decision: undefined })
}

/** A denial with what is known by then. */
export function refuseWith(facts: TokenFacts, { error, decision }: Denial): Result<never, GrantRefusal> {
  return fail({ error, facts: { ...facts, ...(decision !== undefined && { decision }) } })
}

/** What is recorded of a delegation that was permitted. */
export function describeDelegation(
  facts: TokenFacts,
  { actor, scope, decision }: PermittedDelegation,
): TokenFacts {
  const chain = parseActor(actor, Number.POSITIVE_INFINITY)
  return {
    ...facts,
    scope: formatScope(scope),
    actors: actorSubjects(chain),
    ...(decision !== undefined && { decision }),
  }
}
