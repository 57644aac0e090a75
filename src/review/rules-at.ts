import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import { audiencesOf, scopeAt } from '../policy/candidates.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { type Check, compileRule } from '../policy/rule.ts'

/** A rule at one audience. */
export interface RuleAt {
  readonly id: string
  /** What it permits at most there. */
  readonly scope: ScopeSet
  /** Its conditions, in the steps in which they are asked. */
  readonly steps: readonly (readonly Check[])[]
}

/** Prepares the rules of a document, by mode and audience and in the order in which they decide. */
export function createRulesAt(
  document: PolicyDocument,
): (mode: ExchangeMode, audience: string) => readonly RuleAt[] {
  const compiled = new Map<string, readonly RuleAt[]>()
  return (mode, id) => {
    const key = `${mode} ${id}`
    let rules = compiled.get(key)
    if (rules === undefined) {
      rules = compileRules(document, mode, id)
      compiled.set(key, rules)
    }
    return rules
  }
}

function compileRules(document: PolicyDocument, mode: ExchangeMode, id: string): readonly RuleAt[] {
  const audience = document.audiences.get(id)
  if (audience === undefined) return []
  return document.rules
    .filter(rule => rule.mode === mode && audiencesOf(rule, document).includes(id))
    .map(rule => {
      const scope = scopeAt(rule, audience)
      return { id: rule.id, scope, steps: compileRule(rule, scope, audience.servedBy).steps }
    })
}
