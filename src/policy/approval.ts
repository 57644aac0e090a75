import type { MaybePromise } from '../base/result.ts'
import type { Decision } from '../model/decision.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { Approval } from './document.ts'
import { readParty, readTokenActor } from './party.ts'
import type { Policy } from './policy.ts'
import type { PolicyQuestion } from './question.ts'
import { caseIdOf } from './read-case.ts'
import { approvedActor } from './rule.ts'

/** What an approval is for. Two occasions that differ in any word but the scope are two occasions. */
export interface ApprovedOccasion {
  /** `sub` of the one who acts, else the client's id. */
  readonly actor: string
  /** Issuer of that one, else the token service. */
  readonly actorIssuer: string
  readonly subject: string
  readonly subjectIssuer: string
  readonly caseId: string
  readonly audience: string
  readonly mode: ExchangeMode
  /** What is asked for; of an approval, what may be asked for at most. */
  readonly scope: ScopeSet
}

/**
 * Finds what was approved.
 *
 * Contract: answers only approvals whose signature is that of an approver of the policy; undefined when there is none, and
 * when it cannot be known; never rejects.
 */
export interface ApprovalStore {
  /** @param approvers of whom one must have approved at least the scope of the occasion */
  find(occasion: ApprovedOccasion, approvers: readonly string[]): Promise<Approval | undefined>
}

/**
 * Decides, and where nothing but an approval is missing looks for it and decides again. Only then is there anything to wait
 * for.
 */
export function decideWithApproval(
  policy: Policy,
  question: PolicyQuestion,
  approvals: ApprovalStore | undefined,
): MaybePromise<Decision> {
  const decision = policy.decide(question)
  if (decision.effect === 'permit' || decision.approvers === undefined || approvals === undefined)
    return decision
  const occasion = occasionOf(policy, question)
  if (occasion === undefined) return decision
  return approvals
    .find(occasion, decision.approvers)
    .then(approval =>
      approval === undefined
        ? decision
        : policy.decide({ ...question, context: { ...question.context, approval } }),
    )
}

function occasionOf({ document, server }: Policy, question: PolicyQuestion): ApprovedOccasion | undefined {
  const { subject, actorToken, client, audience, mode, scope, context } = question
  const named = caseIdOf(subject, context.caseId)
  const caseId = named.ok ? named.value : undefined
  if (subject === undefined || caseId === undefined) return undefined
  const about = readParty(subject, document.claims, server)
  const acting = actorToken
    ? { ...readParty(actorToken, document.claims, server), kind: 'person' as const }
    : readTokenActor(subject, document, server)
  const actor = approvedActor(acting, client, server)
  return {
    actor: actor.subject,
    actorIssuer: actor.issuer,
    subject: about.subject,
    subjectIssuer: about.issuer,
    caseId,
    audience,
    mode,
    scope,
  }
}
