import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runPolicySuite } from '../assemble/rehearsal/run-policy-suite.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadPolicySuite } from '../config/load.ts'
import { renderSuiteJson } from '../review/suite-json.ts'
import { renderSuiteJunit } from '../review/suite-junit.ts'
import { countFailed } from '../review/suite-result.ts'
import { renderSuiteText } from '../review/suite-text.ts'
import type { Command } from './command.ts'

/**
 * `hopgate policy test FILE [--policy POLICY] [--filter TEXT] [--junit OUT.xml] [--json]`: asks what the file's cases ask,
 * and says which answers are not what they must be. Nothing is sent anywhere. Exits 1 when a case failed, when none was
 * found, or when a file is not good.
 */
export const policyTest: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write(
      'Usage: hopgate policy test FILE [--policy POLICY] [--filter TEXT] [--junit OUT.xml] [--json]\n',
    )
    return 2
  }
  const loaded = loadPolicySuite(options.file, options.policy)
  if (!loaded.ok) {
    output.stderr.write(formatProblems(loaded.error))
    return 1
  }
  const filter = options.filter.toLowerCase()
  const cases = loaded.value.cases.filter(({ name }) => name.toLowerCase().includes(filter))
  if (cases.length === 0) {
    output.stderr.write(`hopgate: no case of ${options.file} has the text of --filter in its name\n`)
    return 1
  }
  const result = await runPolicySuite({ ...loaded.value, cases })
  output.stdout.write(options.json ? renderSuiteJson(result) : renderSuiteText(result))
  if (options.junit !== undefined) {
    try {
      writeFileSync(options.junit, renderSuiteJunit(result))
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
      output.stderr.write(`hopgate: ${options.junit} cannot be written (${reason})\n`)
      return 1
    }
  }
  return countFailed(result) === 0 ? 0 : 1
}

interface Options {
  readonly file: string
  readonly policy: string | undefined
  readonly filter: string
  readonly junit: string | undefined
  readonly json: boolean
}

function readOptions(args: string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        policy: { type: 'string' },
        filter: { type: 'string' },
        junit: { type: 'string' },
        json: { type: 'boolean' },
      },
      allowPositionals: true,
    })
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0) return undefined
    const { policy, filter = '', junit, json = false } = values
    return { file, policy, filter, junit, json }
  } catch {
    return undefined
  }
}
