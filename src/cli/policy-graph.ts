import { readFileSync } from 'node:fs'
import { parseArgs, parseEnv } from 'node:util'
import { formatProblems } from '../config/config-problem.ts'
import { configKind, findYamlFiles, loadForReview } from '../config/find-configs.ts'
import type { HubConfig } from '../config/hub-config.ts'
import { loadHubConfig, loadSidecarConfig } from '../config/load.ts'
import type { SidecarConfig } from '../config/sidecar-config.ts'
import { drawGraph } from '../review/graph/drawing.ts'
import { type FindingKind, findingKinds } from '../review/graph/findings.ts'
import { buildGraph, type PolicyGraph } from '../review/graph/graph.ts'
import { graphDot } from '../review/graph/graph-dot.ts'
import { graphJson } from '../review/graph/graph-json.ts'
import { graphMermaid } from '../review/graph/graph-mermaid.ts'
import { findingsText, graphText } from '../review/graph/graph-text.ts'
import type { ReadConfig } from '../review/graph/system.ts'
import type { Command, CommandOutput } from './command.ts'

const formats: Readonly<Record<string, (graph: PolicyGraph) => string>> = {
  text: graphText,
  json: graphJson,
  dot: graph => graphDot(drawGraph(graph)),
  mermaid: graph => graphMermaid(drawGraph(graph)),
}

/**
 * `hopgate policy graph PATH…`: reads all sidecars' and hubs' configurations below the paths and shows where tokens can go.
 * Exits 1 when something is wrong that `--fail-on` names, which is everything without it, or when a configuration is not good.
 */
export const policyGraph: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write(
      `Usage: hopgate policy graph PATH… [--format ${Object.keys(formats).join('|')}] [--fail-on all|none|KIND,…] [--env-file FILE]\nKIND: ${findingKinds.join(', ')}\n`,
    )
    return 2
  }
  const configs = readConfigs(options, output)
  if (configs === undefined) return 1
  const graph = buildGraph(configs)
  output.stdout.write(options.format(graph))
  const failing = graph.findings.filter(({ kind }) => options.failOn.has(kind))
  // In a drawing nobody would see them.
  if (options.isDrawing) output.stderr.write(findingsText(graph.findings))
  return failing.length === 0 ? 0 : 1
}

interface Options {
  readonly paths: readonly string[]
  readonly format: (graph: PolicyGraph) => string
  readonly isDrawing: boolean
  readonly failOn: ReadonlySet<FindingKind>
  readonly envFile: string | undefined
}

function readConfigs({ paths, envFile }: Options, output: CommandOutput): readonly ReadConfig[] | undefined {
  const configs: ReadConfig[] = []
  let isGood = true
  const say = (text: string): void => {
    output.stderr.write(text)
  }
  try {
    const env = { ...process.env, ...(envFile !== undefined && parseEnv(readFileSync(envFile, 'utf8'))) }
    for (const file of new Set(paths.flatMap(findYamlFiles))) {
      const kind = configKind(file)
      if (kind === 'other') {
        say(`${file}: passed over: neither a sidecar's nor a hub's configuration\n`)
        continue
      }
      const load = kind === 'hub' ? loadHubConfig : loadSidecarConfig
      const loaded = loadForReview<HubConfig | SidecarConfig>(
        (set, readText) => load(file, set, readText),
        env,
      )
      if (loaded.ok) configs.push({ kind, file, config: loaded.value } as ReadConfig)
      else {
        isGood = false
        say(formatProblems(loaded.error))
      }
    }
  } catch (error) {
    say(`hopgate: ${error instanceof Error ? error.message : 'cannot read'}\n`)
    return undefined
  }
  if (isGood && configs.length === 0) say('hopgate: no configuration is there\n')
  return isGood && configs.length > 0 ? configs : undefined
}

function readOptions(args: string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        format: { type: 'string', default: 'text' },
        'fail-on': { type: 'string', default: 'all' },
        'env-file': { type: 'string' },
      },
      allowPositionals: true,
    })
    const format = Object.hasOwn(formats, values.format) ? formats[values.format] : undefined
    const failOn = readKinds(values['fail-on'])
    if (positionals.length === 0 || format === undefined || failOn === undefined) return undefined
    const isDrawing = ['dot', 'mermaid'].includes(values.format)
    return { paths: positionals, format, isDrawing, failOn, envFile: values['env-file'] }
  } catch {
    return undefined
  }
}

/** Undefined for a word that is no kind: to let it pass would fail on less than was meant. */
function readKinds(text: string): ReadonlySet<FindingKind> | undefined {
  if (text === 'all') return new Set(findingKinds)
  if (text === 'none') return new Set()
  const kinds = text.split(',')
  const known = findingKinds.filter(kind => kinds.includes(kind))
  return kinds.every(kind => known.includes(kind as FindingKind)) ? new Set(known) : undefined
}
