import { createHash } from 'node:crypto'
import { fail, ok, type Result } from '../base/result.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { buildPolicy } from './build-policy.ts'
import { checkPolicy } from './check-policy.ts'
import type { ConfigProblem } from './config-problem.ts'
import { deepFreeze } from './freeze.ts'
import { canonicalJson } from './policy-digest.ts'
import { policySchema } from './policy-schema.ts'
import { type ParseOptions, readDocument } from './read-document.ts'

/** Turns the text of a policy into a frozen document, or into everything that is wrong with it. */
export function parsePolicy(
  text: string,
  options: ParseOptions,
): Result<PolicyDocument, readonly ConfigProblem[]> {
  const read = readDocument(text, policySchema, [], options)
  if (!read.ok) return read
  const { input, report } = read.value
  const keys = checkPolicy(read.value)
  const problems = report.problems()
  if (problems.length > 0 || input === undefined) return fail(problems)
  const decides = buildPolicy(input, keys)
  const digest = createHash('sha256').update(canonicalJson(decides), 'utf8').digest('hex')
  return ok(deepFreeze({ ...decides, digest }))
}
