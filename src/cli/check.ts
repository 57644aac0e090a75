import { parseArgs } from 'node:util'
import { ok, type Result } from '../base/result.ts'
import { type ConfigKind, configKind } from '../config/config-kind.ts'
import { type ConfigProblem, formatProblems } from '../config/config-problem.ts'
import { loadHubConfig, loadPolicy, loadSidecarConfig } from '../config/load.ts'
import { policyWarnings } from '../review/policy-warnings.ts'
import type { Command } from './command.ts'

/**
 * `hopgate check [--hub] FILE`: says whether a configuration or a policy is good, or everything that is wrong with it. Exits 0 for
 * a good one, 1 for a bad one. Rules that can never permit are warned of on standard error.
 */
export const check: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write('Usage: hopgate check [--hub] FILE\n')
    return 2
  }
  const { file, hub } = options
  const checked = checks[hub ? 'hub' : configKind(file)](file)
  if (!checked.ok) {
    output.stderr.write(formatProblems(checked.error))
    return 1
  }
  const { summary, warnings } = checked.value
  for (const warning of warnings) output.stderr.write(`${file}: warning: ${warning}\n`)
  output.stdout.write(`${file}: OK\n${summary}\n`)
  return 0
}

interface Good {
  /** What it is, in a line. */
  readonly summary: string
  readonly warnings: readonly string[]
}

type Checked = Result<Good, readonly ConfigProblem[]>

const checks: Readonly<Record<ConfigKind, (file: string) => Checked>> = {
  sidecar: checkSidecar,
  hub: checkHub,
  policy: checkPolicy,
}

function checkSidecar(file: string): Checked {
  const loaded = loadSidecarConfig(file)
  if (!loaded.ok) return loaded
  const { service, routes, issuers, exchange, sts, policy } = loaded.value
  const server = sts === undefined ? exchange.server : 'the token service inside'
  const parts = [count(routes, 'route'), count(issuers, 'issuer'), `tokens from ${server}`]
  return ok({
    summary: `sidecar ${service}: ${parts.join(', ')}`,
    warnings: policyWarnings(policy, loaded.value),
  })
}

function checkHub(file: string): Checked {
  const loaded = loadHubConfig(file)
  if (!loaded.ok) return loaded
  const { issuer, issuers, clients, policy } = loaded.value.sts
  return ok({
    summary: `hub ${issuer}: ${count(clients, 'client')}, ${count(issuers, 'issuer')}`,
    warnings: policyWarnings(policy, loaded.value.sts),
  })
}

function checkPolicy(file: string): Checked {
  const loaded = loadPolicy(file)
  if (!loaded.ok) return loaded
  const { rules, clients, audiences, digest } = loaded.value
  const parts = [
    count(rules, 'rule'),
    count([...clients], 'client'),
    count([...audiences], 'audience'),
    `digest ${digest.slice(0, 12)}`,
  ]
  return ok({ summary: `policy: ${parts.join(', ')}`, warnings: policyWarnings(loaded.value) })
}

function count(items: readonly unknown[], noun: string): string {
  return `${items.length} ${noun}${items.length === 1 ? '' : 's'}`
}

function readOptions(args: string[]): { readonly file: string; readonly hub: true | undefined } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { config: { type: 'string', short: 'c' }, hub: { type: 'boolean' } },
      allowPositionals: true,
    })
    const files = [...positionals, ...(values.config === undefined ? [] : [values.config])]
    const [file] = files
    return file === undefined || files.length > 1 ? undefined : { file, hub: values.hub || undefined }
  } catch {
    return undefined
  }
}
