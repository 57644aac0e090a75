import type { SubjectKind } from '../../model/subject-kind.ts'
import type { ScopeSet } from '../../oauth/scope-set.ts'
import type { PolicyDocument } from '../../policy/document.ts'
import {
  type AskCheck,
  askAll,
  type CaseListener,
  createPartialCase,
  type PartialQuestion,
  unknown,
} from '../partial-case.ts'
import { createRulesAt, type RuleAt } from '../rules-at.ts'
import type { PastDecision } from './past-decision.ts'

/** What a policy makes of a past question. */
export type NewDecision =
  | { readonly effect: 'permit'; readonly rule: string }
  | { readonly effect: 'deny'; readonly rule: string; readonly reason: string }
  /** It depends on facts that the record does not hold. */
  | { readonly effect: 'undecidable'; readonly missing: readonly string[] }

const noRule = 'no rule'

/**
 * Prepares a policy for past questions. Its own checks are asked, each of which answers with certainty or not at all; nothing is
 * guessed. What the record leaves open between few values, such as the kind of subject, is tried with each of them.
 */
export function createDecideAgain(document: PolicyDocument): (past: PastDecision) => NewDecision {
  const rulesAt = createRulesAt(document)
  return past => {
    const client = document.clients.get(past.client)
    if (client === undefined) {
      return { effect: 'deny', rule: noRule, reason: 'the policy does not know the client' }
    }
    const { audience, modes, least, most, subject } = past
    if (audience === unknown || least === unknown || most === unknown) {
      return { effect: 'undecidable', missing: ['audience and scope'] }
    }
    const possible: readonly Possible[] = modes.flatMap(mode =>
      past.kinds.flatMap(kind => past.actors.map(actor => ({ rules: rulesAt(mode, audience), kind, actor }))),
    )
    const decisions = possible.map(({ rules, kind, actor }) =>
      decide(rules, { least, most }, (scope, listener) =>
        createPartialCase(
          {
            client,
            audience,
            scope,
            subject: subject && { ...subject, kind },
            actor,
            caseId: past.caseId,
            environment: past.environment,
            now: past.now,
            login: past.login ?? unknown,
            approval: past.approval ?? unknown,
            server: past.server,
            ticket: past.ticket,
          } satisfies PartialQuestion,
          listener,
        ),
      ),
    )
    const decision = combine(decisions)
    return decision.effect === 'permit' && !past.isInOrder
      ? { effect: 'undecidable', missing: ['what was in the way before any rule'] }
      : decision
  }
}

/** One way to read what the record leaves open. */
interface Possible {
  readonly rules: readonly RuleAt[]
  readonly kind: SubjectKind
  readonly actor: PartialQuestion['actor']
}

/** Rules decide in their order; one that may or may not permit leaves open which one does, but not that one does. */
function decide(
  rules: readonly RuleAt[],
  { least, most }: { readonly least: ScopeSet; readonly most: ScopeSet },
  caseOf: (scope: ScopeSet, listener: CaseListener) => AskCheck,
): NewDecision {
  const missing = new Set<string>()
  let lack = ''
  const onUnknown = (fact: string): void => {
    missing.add(names[fact] ?? fact)
  }
  const askLeast = caseOf(least, {
    onUnknown,
    onLack: what => {
      lack = what
    },
  })
  const askMost = caseOf(most, { onUnknown })
  const open: string[] = []
  const openMissing = new Set<string>()
  let closest: { readonly rule: string; readonly step: number; readonly lack: string } | undefined
  for (const { id, steps } of rules) {
    missing.clear()
    const checks = steps.flat()
    const answer = askAll(checks, askLeast)
    if (answer === 'no') {
      const step = steps.findIndex(some => some.some(check => askLeast(check) === 'no'))
      if (closest === undefined || step > closest.step) closest = { rule: id, step, lack }
      continue
    }
    open.push(id)
    if (answer === 'yes' && askAll(checks, askMost) === 'yes')
      return { effect: 'permit', rule: open.join(' or ') }
    if (missing.size === 0) missing.add('scope')
    for (const fact of missing) openMissing.add(fact)
  }
  if (open.length > 0) return { effect: 'undecidable', missing: [...openMissing].sort() }
  if (closest === undefined) {
    return { effect: 'deny', rule: noRule, reason: 'no rule is for this mode and audience' }
  }
  return { effect: 'deny', rule: closest.rule, reason: `it lacks ${closest.lack}` }
}

/** One answer for all that may have been, or none. */
function combine(decisions: readonly NewDecision[]): NewDecision {
  const [first] = decisions
  const missing = new Set(decisions.flatMap(one => (one.effect === 'undecidable' ? one.missing : [])))
  if (first === undefined || missing.size > 0) return { effect: 'undecidable', missing: [...missing].sort() }
  if (decisions.some(({ effect }) => effect !== first.effect)) {
    return { effect: 'undecidable', missing: ['the mode, the kind of subject or who acts'] }
  }
  if (first.effect !== 'permit') return first
  const rules = decisions.flatMap(one => (one.effect === 'permit' ? [one.rule] : []))
  return { effect: 'permit', rule: [...new Set(rules)].join(' or ') }
}

/** Facts by the names that the policy has for them. */
const names: Readonly<Record<string, string>> = {
  facts: 'what a condition (when) sees',
  login: 'how the person logged in (acr, max_age)',
  caseId: 'the case id',
  approval: 'the approval',
  environment: 'the environment',
}
