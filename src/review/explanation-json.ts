import { asciiJson } from '../base/json-text.ts'
import { redactTokens } from '../base/redact-tokens.ts'
import type { Explanation } from './explanation.ts'

/** The explanation for programs: the facts of a stage by their names. */
export function renderExplanationJson({ stages, ...others }: Explanation): string {
  const report = {
    ...others,
    stages: Object.fromEntries(
      stages.map(({ stage, outcome, facts }) => [
        stage,
        { outcome, ...Object.fromEntries(facts.map(({ name, value }) => [name, value])) },
      ]),
    ),
  }
  return `${redactTokens(asciiJson(report))}\n`
}
