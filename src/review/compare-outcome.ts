import { formatDuration } from '../base/duration-text.ts'
import type { Expectation } from '../config/policy-suite.ts'
import { formatScope } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'
import type { Outcome } from './outcome.ts'

/** One thing that is not as it was expected, in words. */
export interface Difference {
  readonly what: string
  readonly expected: string
  readonly actual: string
}

/** Everything in which an outcome is not what was expected; empty when it is. */
export function compareOutcome(expected: Expectation, actual: Outcome): readonly Difference[] {
  const { granted } = actual
  const pairs: readonly (readonly [
    what: string,
    expected: string | undefined,
    actual: string | undefined,
  ])[] = [
    ['decision', expected.decision, actual.decision],
    ['route', expected.route, actual.route],
    ['rule', expected.rule, actual.rule],
    ['refusal', expected.refusal, actual.refusal],
    ['scope', expected.scope && formatScope(expected.scope), granted && formatScope(granted.scope)],
    ['life', describeLife(expected.lifeSeconds), describeLife(granted?.lifeSeconds)],
    ['mode', expected.mode, granted?.mode],
    ['subject', expected.subject, granted?.subject],
    ['act', describeList(expected.act), describeList(granted?.act)],
    ['step_up', describeStepUp(expected.stepUp), describeStepUp(actual.stepUp)],
    ['approvers', describeSorted(expected.approvers), describeSorted(actual.approvers)],
  ]
  const differences = pairs.flatMap(([what, wanted, found]) =>
    wanted === undefined || wanted === found ? [] : [{ what, expected: quote(wanted), actual: quote(found) }],
  )
  const { reason } = expected
  if (reason !== undefined && actual.reason?.includes(reason) !== true) {
    differences.push({ what: 'reason', expected: `… ${reason} …`, actual: quote(actual.reason) })
  }
  return differences
}

function quote(text: string | undefined): string {
  if (text === undefined) return 'none'
  return text === '' ? 'nothing' : text
}

function describeLife(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : formatDuration(seconds)
}

function describeList(texts: readonly string[] | undefined): string | undefined {
  return texts?.join(' ← ')
}

function describeSorted(texts: readonly string[] | undefined): string | undefined {
  return texts && describeList(texts.toSorted())
}

function describeStepUp(required: StepUp | undefined): string | undefined {
  if (required === undefined) return undefined
  const { acrValues, maxAgeSeconds } = required
  const parts = [
    ...(acrValues === undefined ? [] : [`acr ${acrValues.join(' or ')}`]),
    ...(maxAgeSeconds === undefined ? [] : [`max_age ${formatDuration(maxAgeSeconds)}`]),
  ]
  return parts.join(', ')
}
