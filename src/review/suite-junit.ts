import { escapeMarkup } from '../base/markup-text.ts'
import { type CaseResult, countFailed, type SuiteResult } from './suite-result.ts'
import { describeDenial, describeDifference } from './suite-text.ts'

/** The result as JUnit XML, in the dialect that CI servers read. Without times, so that the same result is the same text. */
export function renderSuiteJunit(result: SuiteResult): string {
  const { file, cases } = result
  const counts = `tests="${cases.length}" failures="${countFailed(result)}" errors="0" skipped="0"`
  const name = escapeMarkup(file)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="hopgate policy test" ${counts}>`,
    `  <testsuite name="${name}" ${counts}>`,
    ...(result.policy === undefined
      ? []
      : [
          '    <properties>',
          `      <property name="policy" value="${escapeMarkup(result.policy.file)}"/>`,
          `      <property name="digest" value="${escapeMarkup(result.policy.digest)}"/>`,
          '    </properties>',
        ]),
    ...cases.map(one => renderCase(one, file)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}

function renderCase({ asked, outcome, differences }: CaseResult, file: string): string {
  const head = `    <testcase classname="${attribute(file)}" name="${attribute(asked.name)}" file="${attribute(file)}" line="${asked.line}"`
  const [first, ...more] = differences
  if (first === undefined) return `${head}/>`
  const said = [
    ...[first, ...more].map(describeDifference),
    ...(outcome.reason === undefined ? [] : [`because ${describeDenial(outcome)}`]),
  ]
  const message = attribute(describeDifference(first))
  return `${head}>
      <failure type="expectation" message="${message}">${escapeMarkup(said.join('\n'))}</failure>
    </testcase>`
}

/** Line ends and tabs in an attribute would be read back as blanks. */
function attribute(text: string): string {
  return escapeMarkup(text).replace(/[\t\n\r]/g, character => `&#${character.charCodeAt(0)};`)
}
