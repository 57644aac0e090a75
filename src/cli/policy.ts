import type { Command } from './command.ts'

interface Entry {
  readonly usage: string
  readonly load: () => Promise<Command>
}

/** What can be done with a policy without running anything. */
const commands: Readonly<Record<string, Entry>> = {
  test: {
    usage: 'test FILE [--policy POLICY] [--filter TEXT] [--junit OUT.xml] [--json]',
    load: async () => (await import('./policy-test.ts')).policyTest,
  },
  graph: {
    usage: 'graph PATH… [--format text|json|dot|mermaid] [--fail-on all|none|KIND,…] [--env-file FILE]',
    load: async () => (await import('./policy-graph.ts')).policyGraph,
  },
  replay: {
    usage:
      'replay --audit FILE… --policy NEW [--config SIDECAR…] [--json] [--fail-on none|otherwise|undecidable]',
    load: async () => (await import('./policy-replay.ts')).policyReplay,
  },
  matrix: {
    usage: 'matrix FILE [--format markdown|csv|html] [--out FILE]',
    load: async () => (await import('./policy-matrix.ts')).policyMatrix,
  },
}

/** `hopgate policy COMMAND …`: tools that make a policy reviewable. */
export const policy: Command = async ([name = '', ...args], output) => {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry !== undefined) return (await entry.load())(args, output)
  const lines = Object.values(commands).map(({ usage }) => `  hopgate policy ${usage}\n`)
  output.stderr.write(`Usage:\n${lines.join('')}`)
  return 2
}
