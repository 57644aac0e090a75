import type { Load } from './generators/load.ts'
import type { ServerProcess } from './server-process.ts'
import type { Site } from './site.ts'

/** One row of the comparison, as data: what runs, what it is asked, what it is measured against. */
export interface Contestant {
  /** For `--only`, in kebab-case. */
  readonly name: string
  /** For people. */
  readonly title: string
  /** The measurement that it belongs to. */
  readonly measurement: 'requests' | 'flatness' | 'workers'
  /** Programs that it needs besides those that every run needs. */
  readonly programs?: readonly string[]
  /** What its cost is measured against. */
  readonly targets?: readonly Target[]
  /**
   * Writes its configuration and says what to start. What is no part of its cost, such as Redis, is started here and
   * ends with `started`, as do its files.
   *
   * @throws Unavailable when this build or this machine does not have what it measures
   */
  readonly prepare: (site: Site, started: AsyncDisposableStack) => Promise<Setup>
}

/** The CPU time of a request as a multiple of another contestant's in the same round. */
export interface Target {
  readonly of: string
  /** The bound; absent when the ratio is only told. */
  readonly atMost?: number
}

/** A contestant, ready to start. */
export interface Setup {
  /** In the order of their start. All run on the processor of the measured, and their cost is added up. */
  readonly processes: readonly ServerProcess[]
  /** What runs already, where it is, and is counted too. */
  readonly counted?: readonly CountedProcess[]
  readonly load: Load
  /** How many lines the load has, when none may be sent twice. */
  readonly newLines?: number
  /** What a sidecar must hold before anything is measured. */
  readonly fill?: Fill
  /** What the sidecar itself must say about the requests of the measured time. */
  readonly proof?: Proof
}

/** A process whose cost is counted. */
export interface CountedProcess {
  readonly name: string
  readonly pid: number
}

/** So many tokens that were issued, by the sidecar's own metrics. */
export interface Fill {
  readonly adminPort: number
  readonly tokens: number
}

/** That the issued tokens came from where the row says, by the sidecar's own metrics. */
export interface Proof {
  readonly adminPort: number
  readonly source: 'memory' | 'redis' | 'issued'
}

/** After so many requests with a new token each, the compiler has little left to do. */
export const compiledRequests = 12_000

/** Why a contestant does not run here. */
export class Unavailable extends Error {}

/** Why a contestant is missing from a table, in one line. */
export function reasonOf(cause: unknown): string {
  const message = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s*\n\s*/g, ' ')
  return cause instanceof Unavailable ? message : `failed: ${message.slice(0, 300)}`
}
