import { findDeadRules, findPlacelessRules } from '../policy/dead-rules.ts'
import type { PolicyDocument } from '../policy/document.ts'

/** Where a policy is in force. */
export interface PolicyPlace {
  readonly environment: string | undefined
}

/**
 * What the author of a policy should be told about it, one sentence for each thing: the policy is good, and says something
 * that it cannot mean.
 *
 * @param place the configuration that names it; absent: the policy is looked at by itself
 */
export function policyWarnings(policy: PolicyDocument | undefined, place?: PolicyPlace): readonly string[] {
  if (policy === undefined) return []
  const placeless = place !== undefined && place.environment === undefined ? findPlacelessRules(policy) : []
  return [...findDeadRules(policy), ...placeless].map(({ id, why }) => `rule ${id} ${why}`)
}
