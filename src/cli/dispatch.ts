import type { Command, CommandOutput } from './command.ts'

interface Entry {
  readonly summary: string
  /** Loads the command's own code only: `hopgate check` does not pay for the proxy. */
  readonly load: () => Promise<Command>
}

const commands: Readonly<Record<string, Entry>> = {
  run: {
    summary: 'run --config FILE            the sidecar: exchange the token at this hop',
    load: async () => (await import('./run.ts')).run,
  },
  hub: {
    summary: 'hub --config FILE            the hub: token service',
    load: async () => (await import('./hub.ts')).hub,
  },
  check: {
    summary: 'check FILE                   say whether a configuration is good, or where it is not',
    load: async () => (await import('./check.ts')).check,
  },
  keys: {
    summary: 'keys COMMAND                 signing keys of a token service: list, rotate, retire',
    load: async () => (await import('./keys.ts')).keys,
  },
  explain: {
    summary: 'explain … METHOD URL         what the sidecar would do with a request, and why',
    load: async () => (await import('./explain.ts')).explain,
  },
  policy: {
    summary: 'policy COMMAND               review a policy: test, matrix, graph',
    load: async () => (await import('./policy.ts')).policy,
  },
  approve: {
    summary: 'approve …                    a second person approves what a rule asks an approval for',
    load: async () => (await import('./approve.ts')).approveCommand,
  },
  'client-secret': {
    summary: 'client-secret [--stdin]      a secret for a client, and the hash of it for the hub',
    load: async () => (await import('./client-secret.ts')).clientSecret,
  },
  demo: {
    summary: 'demo [--once] [--json]       a login, a hub and three services in this terminal',
    load: async () => (await import('./demo.ts')).demo,
  },
  health: {
    summary: 'health [--url URL]           exit 0 when the process behind the admin port lives',
    load: async () => (await import('./health.ts')).health,
  },
  version: {
    summary: 'version                      name and version',
    load: async () => (await import('./version.ts')).version,
  },
}

/** Finds and runs a command of the executable. */
export async function runCommand(args: string[], output: CommandOutput): Promise<number> {
  const [name = 'help', ...rest] = args
  if (name === 'help' || name === '--help' || name === '-h') {
    output.stdout.write(usage())
    return 0
  }
  const entry = Object.hasOwn(commands, name === '--version' ? 'version' : name)
    ? commands[name === '--version' ? 'version' : name]
    : undefined
  if (entry === undefined) {
    output.stderr.write(`hopgate: no command '${name}'\n\n${usage()}`)
    return 2
  }
  // Libraries that it names when they are loaded write down what they send, the password for Redis included.
  delete process.env['DEBUG']
  return (await entry.load())(rest, output)
}

function usage(): string {
  const lines = Object.values(commands).map(entry => `  hopgate ${entry.summary}`)
  return `Usage:\n${lines.join('\n')}\n`
}
