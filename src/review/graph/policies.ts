import { type ClassQuestion, createPossibleRules, type PossibleRules } from './possible-rules.ts'
import type { Gate, TokenServer } from './system.ts'

/** A rule that may decide; without `id` and `scope` where there is no policy and so no rule. */
export interface DecidingRule {
  readonly id?: string
  readonly scope?: PossibleRules['rules'][number]['scope']
}

export interface DecidingRules {
  readonly rules: readonly DecidingRule[]
  /** When there are none: why. */
  readonly reason: string
}

/** Asks the policy of a gate or of a token service which rules may decide. */
export type AskRules = (party: Gate | TokenServer, question: ClassQuestion) => DecidingRules

/** Prepares the policies of a system, each once for each party that names it. */
export function createAskRules(): AskRules {
  const prepared = new Map<Gate | TokenServer, ReturnType<typeof createPossibleRules>>()
  return (party, question) => {
    if (party.policy === undefined) return withoutPolicy(question)
    let possibleRules = prepared.get(party)
    if (possibleRules === undefined) {
      possibleRules = createPossibleRules(party.policy, 'server' in party ? party.server : party.issuer)
      prepared.set(party, possibleRules)
    }
    return possibleRules(question)
  }
}

/** Delegation without a person passes, and a machine for itself where it may use the grant; nothing else does. */
function withoutPolicy({ mode, subject }: ClassQuestion): DecidingRules {
  if (mode === 'impersonation') return { rules: [], reason: 'without a policy there is no impersonation' }
  if (subject?.acting === 'person') return { rules: [], reason: 'without a policy no person may act' }
  return { rules: [{}], reason: '' }
}
