import { parseArgs } from 'node:util'
import { readLines } from '../base/read-lines.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadForReview } from '../config/find-configs.ts'
import { loadPolicy, loadSidecarConfig } from '../config/load.ts'
import type { SidecarConfig } from '../config/sidecar-config.ts'
import { createReplay } from '../review/replay/replay.ts'
import { replayText } from '../review/replay/replay-text.ts'
import type { Command, CommandOutput } from './command.ts'

const usage =
  'Usage: hopgate policy replay --audit FILE… --policy NEW [--config SIDECAR…] [--json] [--fail-on none|otherwise|undecidable]\n'

/**
 * `hopgate policy replay`: which decisions of an audit trail another policy would make otherwise. Exits 1 when `--fail-on` says
 * so, or when a file cannot be read; lines that are no events are reported and do not stop it.
 */
export const policyReplay: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write(usage)
    return 2
  }
  const policy = loadPolicy(options.policy)
  if (!policy.ok) {
    output.stderr.write(formatProblems(policy.error))
    return 1
  }
  const configs = readConfigs(options.configs, output)
  if (configs === undefined) return 1
  const replay = createReplay(policy.value, configs)
  for (const file of options.audit) {
    try {
      for await (const { number, text } of readLines(file)) {
        if (text === undefined) replay.skip(file, number, 'too long')
        else replay.take(file, number, text)
      }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'error'
      output.stderr.write(`${file}: cannot be read (${code})\n`)
      return 1
    }
  }
  const report = replay.report()
  output.stdout.write(
    options.json ? `${JSON.stringify({ version: 1, ...report }, undefined, 2)}\n` : replayText(report),
  )
  const { otherwise, undecidable } = report.counts
  if (options.failOn === 'otherwise') return otherwise === 0 ? 0 : 1
  return options.failOn === 'undecidable' && otherwise + undecidable > 0 ? 1 : 0
}

function readConfigs(
  files: readonly string[],
  output: CommandOutput,
): ReadonlyMap<string, SidecarConfig> | undefined {
  const configs = new Map<string, SidecarConfig>()
  for (const file of files) {
    const loaded = loadForReview((env, readText) => loadSidecarConfig(file, env, readText), process.env)
    if (!loaded.ok) {
      output.stderr.write(formatProblems(loaded.error))
      return undefined
    }
    configs.set(loaded.value.service, loaded.value)
  }
  return configs
}

interface Options {
  readonly audit: readonly string[]
  readonly policy: string
  readonly configs: readonly string[]
  readonly json: boolean
  readonly failOn: string
}

function readOptions(args: string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        audit: { type: 'string', multiple: true, default: [] },
        policy: { type: 'string' },
        config: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
        'fail-on': { type: 'string', default: 'none' },
      },
      allowPositionals: true,
    })
    const { policy, config, json } = values
    // The shell makes several of `--audit *.jsonl`.
    const audit = [...values.audit, ...positionals]
    const failOn = values['fail-on']
    const isKnown = ['none', 'otherwise', 'undecidable'].includes(failOn)
    if (audit.length === 0 || policy === undefined || !isKnown) return undefined
    return { audit, policy, configs: config, json, failOn }
  } catch {
    return undefined
  }
}
