import { fail, ok } from '../../src/base/result.ts'
import { formatProblems } from '../../src/config/config-problem.ts'
import { parsePolicySuite } from '../../src/config/parse-policy-suite.ts'
import type { PolicySuite } from '../../src/config/policy-suite.ts'

/** Files by their path in the folder of the tests, which is `/suite`. */
export type SuiteFiles = Readonly<Record<string, string>>

/** Parses the tests of a policy; throws what is wrong with them. */
export function parseTestSuite(text: string, files: SuiteFiles = {}): PolicySuite {
  const parsed = parseSuite(text, files)
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  return parsed.value
}

/** What is wrong with the tests of a policy, as it is said. */
export function suiteProblems(text: string, files: SuiteFiles = {}): string {
  const parsed = parseSuite(text, files)
  return parsed.ok ? '' : formatProblems(parsed.error)
}

function parseSuite(text: string, files: SuiteFiles) {
  return parsePolicySuite(text, {
    file: '/suite/policy.test.yaml',
    env: {},
    readText: file => {
      const found = files[file.replace('/suite/', '')]
      return found === undefined ? fail('does not exist') : ok(found)
    },
  })
}
