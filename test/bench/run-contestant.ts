import {
  type Contestant,
  type CountedProcess,
  compiledRequests,
  type Setup,
  Unavailable,
} from './contestant.ts'
import { fillMemory } from './fill-memory.ts'
import { runH2load } from './generators/h2load.ts'
import type { LoadResult } from './generators/load.ts'
import { runWrk } from './generators/wrk.ts'
import { describeMissing } from './programs.ts'
import { type RunningProcess, type ServerProcess, startProcess } from './server-process.ts'
import type { Site } from './site.ts'

/** A contestant that takes requests. It ends with the stack that it was started on. */
export interface RunningContestant {
  readonly setup: Setup
  /** Everything whose cost is counted. */
  readonly counted: readonly CountedProcess[]
  /** Sends the load for so many seconds at least, and until everything is in memory that must be. */
  warmUp(seconds: number): Promise<void>
  /** Sends its load for so many seconds; lines go on where the load before ended. */
  load(seconds: number): Promise<LoadResult>
}

const newLineSeconds = 2

/** How long the load is sent before what is in memory is counted again. */
export const fillSeconds = 10

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
  const load = async (seconds: number): Promise<LoadResult> => {
    const options = { connections, seconds, cpu: site.cpus.load, firstLine: sentLines }
    const result = await (setup.load.isGrpc === true ? runH2load : runWrk)(setup.load, options)
    // What was under way at the end was sent, but not counted. Where memory is filled, none must be left out.
    sentLines += result.requests + (setup.fill === undefined ? connections : 0)
    if (setup.newLines !== undefined && sentLines > setup.newLines)
      throw new Error(`${setup.newLines} tokens were too few: some came twice`)
    return result
  }
  return {
    setup,
    counted: [...(setup.counted ?? []), ...processes],
    async warmUp(seconds) {
      await load(seconds)
      // New tokens come slowly: the compiler is done after so many of them, not after so many seconds.
      while (setup.newLines !== undefined && sentLines < Math.min(compiledRequests, setup.newLines / 2)) {
        await load(newLineSeconds)
      }
      if (setup.fill !== undefined) await fillMemory(setup.fill, () => load(fillSeconds))
    },
    load,
  }
}
