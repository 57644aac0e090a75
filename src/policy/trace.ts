import type { Decision } from '../model/decision.ts'
import { compileTargets } from './candidates.ts'
import type { PolicyDocument } from './document.ts'
import { createPolicy } from './policy.ts'
import type { PolicyQuestion } from './question.ts'
import { createCaseReader } from './read-case.ts'

/** A decision, and how far the question got in every rule that is about its mode and audience. */
export interface PolicyTrace {
  readonly decision: Decision
  /** In the order of the document. Empty when no rule was looked at. */
  readonly rules: readonly RuleTrace[]
}

export interface RuleTrace {
  readonly rule: string
  /** The first thing that the question lacks for it; undefined when it permits. */
  readonly lacks: string | undefined
  /** How many steps the question passed, of how many: who asks, for whom, who acts, for what, on which occasion. */
  readonly passed: number
  readonly steps: number
}

/**
 * Prepares a document to say why it decides as it does. The decision is the policy's own, and every rule is asked with the
 * checks that decide.
 *
 * @throws TypeError for a condition that does not compile; the configuration refuses it before
 */
export function createPolicyTrace(
  document: PolicyDocument,
  server: string,
): (question: PolicyQuestion) => PolicyTrace {
  const policy = createPolicy(document, server)
  const rulesFor = compileTargets(document)
  const readCase = createCaseReader(document, server)
  return question => {
    const decision = policy.decide(question)
    const client = document.clients.get(question.client)
    const asked = client && readCase(question, client)
    if (asked?.ok !== true) return { decision, rules: [] }
    const rules = rulesFor(question.mode, question.audience).map(({ rule }): RuleTrace => {
      for (const [passed, checks] of rule.steps.entries()) {
        for (const check of checks) {
          const lack = check(asked.value)
          if (lack !== undefined) {
            return { rule: rule.id, lacks: lack.what, passed, steps: rule.steps.length }
          }
        }
      }
      return { rule: rule.id, lacks: undefined, passed: rule.steps.length, steps: rule.steps.length }
    })
    return { decision, rules }
  }
}
