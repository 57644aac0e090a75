import { formatScope } from '../oauth/scope-set.ts'
import { type CaseResult, countFailed, type SuiteResult } from './suite-result.ts'

/** The result for programs, with the words of the test file. */
export function renderSuiteJson(result: SuiteResult): string {
  const { file, policy, cases } = result
  const failed = countFailed(result)
  const report = { file, policy, passed: cases.length - failed, failed, cases: cases.map(describeCase) }
  return `${JSON.stringify(report, undefined, 2)}\n`
}

function describeCase({ asked, outcome, differences }: CaseResult): object {
  const { decision, route, rule, reason, refusal, stepUp, approvers, granted } = outcome
  return {
    name: asked.name,
    line: asked.line,
    passed: differences.length === 0,
    decision,
    route,
    rule,
    reason,
    refusal,
    step_up: stepUp && { acr: stepUp.acrValues, max_age_seconds: stepUp.maxAgeSeconds },
    approvers,
    granted: granted && {
      mode: granted.mode,
      subject: granted.subject,
      audience: granted.audience,
      scope: formatScope(granted.scope),
      life_seconds: granted.lifeSeconds,
      act: granted.act,
    },
    ...(differences.length > 0 && { differences }),
  }
}
