import { type Contestant, type CountedProcess, type Setup, Unavailable } from './contestant.ts'
import { describeMissing } from './programs.ts'
import { type RunningProcess, type ServerProcess, startProcess } from './server-process.ts'
import type { Site } from './site.ts'
import { type LoadResult, runWrk } from './wrk.ts'

/** A contestant that takes requests. It ends with the stack that it was started on. */
export interface RunningContestant {
  readonly setup: Setup
  /** Everything whose cost is counted. */
  readonly counted: readonly CountedProcess[]
  /** Sends its load for so many seconds; lines go on where the load before ended. */
  load(seconds: number): Promise<LoadResult>
}

export interface StartOptions {
  readonly connections: number
  /** Changes how a process is started, such as its flags. */
  readonly alter?: (server: ServerProcess) => Promise<ServerProcess>
}

/**
 * Prepares a contestant and starts its processes on the processor of the measured.
 *
 * @throws Unavailable when it cannot run here
 */
export async function startContestant(
  site: Site,
  contestant: Contestant,
  started: AsyncDisposableStack,
  { connections, alter = async server => server }: StartOptions,
): Promise<RunningContestant> {
  const missing = describeMissing(contestant.programs ?? [])
  if (missing !== undefined) throw new Unavailable(missing)
  const setup = await contestant.prepare(site, started)
  const processes: RunningProcess[] = []
  for (const server of setup.processes) {
    processes.push(started.use(await startProcess(await alter(server), site.cpus.peer)))
  }
  let sentLines = 0
  return {
    setup,
    counted: [...(setup.counted ?? []), ...processes],
    async load(seconds) {
      const options = { connections, seconds, cpu: site.cpus.load, firstLine: sentLines }
      const result = await runWrk(setup.load, options)
      // What was under way at the end was sent, but not counted.
      sentLines += result.requests + connections
      return result
    },
  }
}
