import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { type DecisionFacts, decisionFacts } from '../../model/audit-event.ts'
import type { Decision } from '../../model/decision.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { ExchangeMode } from '../../oauth/exchange-mode.ts'
import { isScopeWithin, type ScopeSet } from '../../oauth/scope-set.ts'
import { type ApprovalStore, decideWithApproval } from '../../policy/approval.ts'
import type { Policy } from '../../policy/policy.ts'
import type { PolicyQuestion } from '../../policy/question.ts'
import { type TokenError, tokenError } from '../token-error.ts'

/** What decides besides the clients' own configuration. */
export interface Authority {
  /** Undefined: the clients' own configuration is all there is. */
  readonly policy: Policy | undefined
  /** Undefined: nothing is approved. */
  readonly approvals: ApprovalStore | undefined
  /** Where this runs, for the policy. */
  readonly environment: string | undefined
}

/** What a grant wants to know. */
export interface AuthorityQuestion {
  readonly mode: ExchangeMode
  readonly client: string
  readonly audience: string
  readonly scope: ScopeSet
  readonly subject: VerifiedToken | undefined
  readonly actorToken?: VerifiedToken | undefined
  readonly caseId?: string | undefined
  readonly ticket?: PolicyQuestion['ticket']
  readonly now: EpochSeconds
}

/** Bounds of a permit, and the decision for the record. */
export interface Permission {
  readonly ttlSeconds?: number
  readonly notAfter?: EpochSeconds
  /** Undefined where no policy was asked. */
  readonly decision: DecisionFacts | undefined
}

/** A refusal, with the decision behind it for the record. */
export interface Denial {
  readonly error: TokenError
  readonly decision: DecisionFacts | undefined
}

const unbounded: Permission = Object.freeze({ decision: undefined })

/**
 * Asks the policy. Without one the clients' own configuration permits what it permits, but nothing that takes a rule: no
 * person acts, and nobody is impersonated. A permit for another mode, or for less scope than is asked for, is none. The
 * client learns that it may not; the record holds the policy's own words.
 */
export async function askPolicy(
  { policy, approvals, environment }: Authority,
  { caseId, now, actorToken, ...question }: AuthorityQuestion,
): Promise<Result<Permission, Denial>> {
  if (policy === undefined) {
    if (question.mode === 'impersonation') return refuse('no rule permits impersonation')
    return actorToken === undefined ? ok(unbounded) : refuse('no rule lets a person act')
  }
  const context = { now, caseId, environment, approval: undefined }
  const asked = { ...question, actorToken, context }
  const decision = await decideWithApproval(policy, asked, approvals)
  const facts = decisionFacts(decision, policy.describe(asked))
  if (decision.effect === 'deny') {
    return fail({ error: denied(decision), decision: facts })
  }
  const { mode = question.mode, scope = question.scope, ttlSeconds, notAfter } = decision
  if (mode !== question.mode || !isScopeWithin(question.scope, scope)) {
    return refuse('the permit is for something else')
  }
  return ok({
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(notAfter !== undefined && { notAfter }),
    decision: facts,
  })
}

function denied({ reason, stepUp }: Extract<Decision, { readonly effect: 'deny' }>): TokenError {
  if (stepUp === undefined) return tokenError('access_denied', 'the policy does not permit this', reason)
  const error = tokenError('insufficient_user_authentication', 'another login is needed', reason)
  return { ...error, stepUp }
}

function refuse(detail: string): Result<never, Denial> {
  const error = tokenError('access_denied', 'the policy does not permit this', detail)
  return fail({ error, decision: undefined })
}
