import type { Decision } from '../model/decision.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import { intersectScope, type ScopeSet } from '../oauth/scope-set.ts'
import type { PolicyAudience, PolicyDocument, PolicyRule } from './document.ts'
import { readActor, readParty, subjectKind } from './party.ts'
import type { PolicyQuestion } from './question.ts'
import { type Case, type CompiledRule, compileRule, type Lack } from './rule.ts'

/** A document that was prepared to answer. */
export interface Policy {
  readonly document: PolicyDocument
  /**
   * Decides: the first rule for this mode and audience of which every condition holds. Nothing is permitted otherwise, and the
   * denial begins with the rule that came closest and what it lacks. Pure; never throws.
   */
  decide(question: PolicyQuestion): Decision
}

/**
 * Prepares a document.
 *
 * @param server issuer identifier of the token service whose clients the document speaks of
 * @throws TypeError for a condition that does not compile; the configuration refuses it before
 */
export function createPolicy(document: PolicyDocument, server: string): Policy {
  const rules = indexRules(document)
  return {
    document,
    decide(question) {
      const client = document.clients.get(question.client)
      if (client === undefined) return deny('the policy does not know the client')
      const candidates = rules.get(keyOf(question.mode, question.audience))
      if (candidates === undefined) return deny(`no rule permits ${question.mode} into this audience`)
      const caseId = caseIdOf(question)
      if (caseId === conflict) return deny('the request names another case than its token')
      const { subject, actorToken } = question
      const asked: Case = {
        client,
        audience: question.audience,
        scope: question.scope,
        subject: subject && {
          ...readParty(subject, document.claims, server),
          token: subject,
          kind: subjectKind(subject),
        },
        actor: readActor(question, document, server),
        login: actorToken ?? subject,
        caseId,
        context: question.context,
        server,
      }
      return decideCase(candidates, asked)
    },
  }
}

const noRule = 'no rule'

function deny(reason: string): Decision {
  return { effect: 'deny', rule: noRule, reason }
}

function decideCase(candidates: readonly CompiledRule[], asked: Case): Decision {
  let closest: Near | undefined
  for (const rule of candidates) {
    const near = measure(rule, asked)
    if (near === undefined) return rule.permit(asked)
    if (closest === undefined || near.steps > closest.steps) closest = near
  }
  if (closest === undefined) return deny('no rule')
  const { rule, lack } = closest
  return {
    effect: 'deny',
    rule: rule.id,
    reason: `rule ${rule.id} came closest; it lacks ${lack.what}`,
    ...(lack.stepUp !== undefined && { stepUp: lack.stepUp }),
    ...(lack.approvers !== undefined && { approvers: lack.approvers }),
  }
}

/** How far a case got in a rule that it does not satisfy. */
interface Near {
  readonly rule: CompiledRule
  readonly steps: number
  readonly lack: Lack
}

/** Undefined when every condition holds. */
function measure(rule: CompiledRule, asked: Case): Near | undefined {
  for (const [steps, checks] of rule.steps.entries()) {
    for (const check of checks) {
      const lack = check(asked)
      if (lack !== undefined) return { rule, steps, lack }
    }
  }
  return undefined
}

function indexRules(document: PolicyDocument): ReadonlyMap<string, readonly CompiledRule[]> {
  const index = new Map<string, CompiledRule[]>()
  for (const rule of document.rules) {
    for (const id of audiencesOf(rule, document)) {
      const audience = document.audiences.get(id)
      if (audience === undefined) throw new TypeError(`rule ${rule.id}: audience ${id} is not there`)
      const key = keyOf(rule.mode, id)
      const compiled = compileRule(rule, scopeAt(rule, audience), audience.servedBy)
      const known = index.get(key)
      if (known === undefined) index.set(key, [compiled])
      else known.push(compiled)
    }
  }
  return index
}

/** What a rule permits at an audience at most. */
export function scopeAt({ scope }: PolicyRule, audience: PolicyAudience): ScopeSet {
  return scope === undefined ? audience.scope : intersectScope(scope, audience.scope)
}

/** The audiences that a rule is about; `own` is about every one that somebody serves. */
export function audiencesOf(rule: PolicyRule, document: PolicyDocument): readonly string[] {
  if (rule.into !== 'own') return rule.into
  return [...document.audiences.values()].filter(({ servedBy }) => servedBy.length > 0).map(({ id }) => id)
}

/** A mode has no blank in it, so the pair can be read in one way only. */
function keyOf(mode: ExchangeMode, audience: string): string {
  return `${mode} ${audience}`
}

const conflict = Symbol('two cases')

/** The case of a question: the token's, else the one that the request names. */
function caseIdOf({ subject, context }: PolicyQuestion): string | undefined | typeof conflict {
  const claimed = subject?.claims['case_id']
  if (typeof claimed !== 'string' || claimed === '') return context.caseId
  return context.caseId === undefined || context.caseId === claimed ? claimed : conflict
}
