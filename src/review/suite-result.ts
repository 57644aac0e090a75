import type { PolicyCase } from '../config/policy-suite.ts'
import type { Difference } from './compare-outcome.ts'
import type { Outcome } from './outcome.ts'

/** What a suite's cases came to. */
export interface SuiteResult {
  /** The file with the tests. */
  readonly file: string
  readonly policy: { readonly file: string; readonly digest: string } | undefined
  readonly cases: readonly CaseResult[]
}

export interface CaseResult {
  readonly asked: Pick<PolicyCase, 'name' | 'line'>
  readonly outcome: Outcome
  /** Empty for a case that passed. */
  readonly differences: readonly Difference[]
}

export function countFailed({ cases }: SuiteResult): number {
  return cases.filter(({ differences }) => differences.length > 0).length
}
