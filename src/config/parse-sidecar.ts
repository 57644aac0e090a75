import { fail, ok, type Result } from '../base/result.ts'
import { buildSidecar } from './build-sidecar.ts'
import { checkSidecar } from './check-sidecar.ts'
import { checkTlsFiles } from './check-tls.ts'
import type { ConfigProblem } from './config-problem.ts'
import { deepFreeze } from './freeze.ts'
import { openKeySets } from './key-set-file.ts'
import { checkSidecarPolicy, readPolicyFile } from './policy-file.ts'
import { type ParseOptions, readDocument } from './read-document.ts'
import type { SidecarConfig } from './sidecar-config.ts'
import { sidecarSchema } from './sidecar-schema.ts'

const secretPlaces = [
  { path: ['exchange', 'client', 'secret'], kind: 'secret' },
  { path: ['issuers', '*', 'introspection', 'client', 'secret'], kind: 'secret' },
  { path: ['decision_points', '{*}', 'secret'], kind: 'secret' },
  { path: ['cache', 'redis'], kind: 'redis' },
  { path: ['sts', 'tickets', 'key'], kind: 'key' },
  { path: ['sts', 'clients', '*', 'secret'], kind: 'secret' },
  { path: ['sts', 'clients', '*', 'secret', '*'], kind: 'secret' },
] as const

/** Turns the text of a sidecar's configuration into a frozen configuration, or into everything that is wrong with it. */
export function parseSidecarConfig(
  text: string,
  options: ParseOptions,
): Result<SidecarConfig, readonly ConfigProblem[]> {
  const read = readDocument(text, sidecarSchema, secretPlaces, options)
  if (!read.ok) return read
  const { input, parts, files, report } = read.value
  checkSidecar(read.value)
  checkTlsFiles(read.value)
  const keysAt = openKeySets(parts.sts?.clients ?? [], files, report)
  const policy = readPolicyFile(parts.policy, read.value, options)
  checkSidecarPolicy(parts, policy, report)
  const problems = report.problems()
  if (problems.length > 0 || input === undefined) return fail(problems)
  return ok(deepFreeze(buildSidecar(input, read.value, keysAt, policy)))
}
