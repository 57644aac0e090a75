import { printableText } from '../base/printable-text.ts'
import type { Difference } from './compare-outcome.ts'
import type { Outcome } from './outcome.ts'
import { type CaseResult, countFailed, type SuiteResult } from './suite-result.ts'

/** The result for a terminal: one line for each case, and under a failed one what was expected and why it is not so. */
export function renderSuiteText(result: SuiteResult): string {
  const { file, policy, cases } = result
  const failed = countFailed(result)
  const head = policy === undefined ? file : `${file}: policy ${policy.file} ${policy.digest.slice(0, 12)}`
  const summary = `${cases.length - failed} passed${failed === 0 ? '' : `, ${failed} failed`}`
  return [printableText(head), '', ...cases.flatMap(one => renderCase(one, file)), '', summary, ''].join('\n')
}

function renderCase({ asked, outcome, differences }: CaseResult, file: string): readonly string[] {
  const name = printableText(asked.name)
  if (differences.length === 0) return [`  ✓ ${name}`]
  return [
    `  ✗ ${name}`,
    ...differences.map(one => `      ${printableText(describeDifference(one))}`),
    ...(outcome.reason === undefined ? [] : [`      ${printableText(`because ${describeDenial(outcome)}`)}`]),
    `      at ${printableText(`${file}:${asked.line}`)}`,
  ]
}

/** `scope: expected a, got b`. */
export function describeDifference({ what, expected, actual }: Difference): string {
  return `${what}: expected ${expected}, got ${actual}`
}

/** Why something was denied, and how. */
export function describeDenial({ reason = '', refusal }: Outcome): string {
  return refusal === undefined ? reason : `${reason} (${refusal})`
}
