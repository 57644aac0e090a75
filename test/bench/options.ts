import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { projectRoot } from '../support/source-files.ts'

/** What a run is asked for. */
export interface Options {
  readonly measurement: string
  /** Names of contestants; empty: all. */
  readonly only: readonly string[]
  readonly rounds: number
  /** Of each measured load. */
  readonly seconds: number
  /** Seconds of load before each measured one, until the compiler is done: compiling is not what is measured. */
  readonly warmUpSeconds: number
  readonly connections: number
  /** How many further tokens `memory` puts into memory. */
  readonly tokens: number
  /** Where the raw figures go as JSON: a path, or `-` for standard output instead of the tables. */
  readonly json: string | undefined
  /** The executable that is measured; `ready` compares it with the further ones. */
  readonly entries: readonly [string, ...string[]]
  /** The folder that `profile` writes its `.cpuprofile` files to. */
  readonly cpuProfiles: string | undefined
}

/** For people who ask what there is. */
export const usage = `npm run bench -- [MEASUREMENT] [options]

MEASUREMENT is one of: requests (the usual one), latency, memory, ready, flatness, workers, all, profile.

  --only NAME,NAME   these contestants only
  --rounds N         how often each is measured, in changing order (3)
  --seconds N        of load that is measured (3)
  --warm-up N        seconds of load before (6)
  --connections N    keep-alive connections (64)
  --tokens N         further cached tokens that \`memory\` measures (100000)
  --json FILE        writes the raw figures too; - for standard output, without the tables
  --entry FILE       the executable to measure (dist/main.js); \`ready\` compares several
  --cpu-profiles DIR where \`profile\` leaves .cpuprofile files, for DevTools
`

/** Reads the command line. */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      'warm-up': { type: 'string', default: '6' },
      connections: { type: 'string', default: '64' },
      tokens: { type: 'string', default: '100000' },
      json: { type: 'string' },
      'cpu-profiles': { type: 'string' },
      entry: { type: 'string', multiple: true, default: [] },
    },
  })
  return {
    measurement: positionals[0] ?? 'requests',
    only: values.only.flatMap(names => names.split(',')).filter(name => name !== ''),
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    warmUpSeconds: wholeNumber('warm-up', values['warm-up']),
    connections: wholeNumber('connections', values.connections),
    tokens: wholeNumber('tokens', values.tokens),
    json: values.json,
    entries: [values.entry[0] ?? join(projectRoot, 'dist/main.js'), ...values.entry.slice(1)],
    cpuProfiles: values['cpu-profiles'],
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`--${name} takes a whole number from 1, not ${text}`)
  return Number(text)
}
