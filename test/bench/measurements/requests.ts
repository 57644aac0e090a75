import { type Contestant, reasonOf } from '../contestant.ts'
import { checkSources, readSources } from '../exchange-sources.ts'
import type { LoadResult } from '../generators/load.ts'
import type { Options } from '../options.ts'
import { readUsage } from '../process-usage.ts'
import { type RunningContestant, startContestant } from '../run-contestant.ts'
import type { Site } from '../site.ts'
import { turned } from '../statistics.ts'

/** One contestant in one round. */
export interface Sample extends LoadResult {
  readonly contestant: string
  readonly round: number
  /** Of all processes whose cost is counted. */
  readonly cpuMicrosecondsPerRequest: number
  /** The same for each process by its name, where there are several. */
  readonly cpuByProcess: Readonly<Record<string, number>>
  readonly rssMegabytes: number
}

/** What a comparison found, as it is written to JSON. */
export interface Comparison {
  readonly samples: readonly Sample[]
  /** Why contestants are missing, by name. */
  readonly missing: Readonly<Record<string, string>>
}

/** A row of which more requests fail than this share measures something else. */
const toleratedErrors = 0.001

/** Measures what a request costs each contestant: rounds in changing order, fresh processes each time. */
export async function compareRequests(
  site: Site,
  options: Options,
  contestants: readonly Contestant[],
): Promise<Comparison> {
  const samples: Sample[] = []
  const missing: Record<string, string> = {}
  for (let round = 1; round <= options.rounds; round++) {
    for (const contestant of turned(contestants, round - 1)) {
      if (missing[contestant.name] !== undefined) continue
      process.stderr.write(`round ${round}: ${contestant.name}\n`)
      try {
        samples.push(await measure(site, contestant, round, options))
      } catch (cause) {
        // One row that fails must not cost the others an hour's run; it is named in the table.
        missing[contestant.name] = reasonOf(cause)
        process.stderr.write(`  ${missing[contestant.name]}\n`)
      }
    }
  }
  return { samples, missing }
}

async function measure(
  site: Site,
  contestant: Contestant,
  round: number,
  { connections, warmUpSeconds, seconds }: Options,
): Promise<Sample> {
  await using started = new AsyncDisposableStack()
  const running = await startContestant(site, contestant, started, { connections })
  await running.warmUp(warmUpSeconds)
  // Awaited here: what runs ends with this function.
  return await sampleLoad(running, contestant.name, round, seconds)
}

/**
 * Sends a contestant's load for so many seconds and reads what it cost.
 *
 * @throws Error when too many requests failed, or when their tokens did not come from where the row says
 */
export async function sampleLoad(
  running: RunningContestant,
  contestant: string,
  round: number,
  seconds: number,
): Promise<Sample> {
  const { proof } = running.setup
  const sourcesBefore = proof && (await readSources(proof.adminPort))
  const before = running.counted.map(({ pid }) => readUsage(pid))
  const result = await running.load(seconds)
  const after = running.counted.map(({ pid }) => readUsage(pid))
  if (result.errors > result.requests * toleratedErrors) throw new Error(`${result.errors} requests failed`)
  if (proof !== undefined && sourcesBefore !== undefined) {
    checkSources(sourcesBefore, await readSources(proof.adminPort), proof)
  }
  const cpu = after.map((usage, index) => usage.cpuMicroseconds - (before[index]?.cpuMicroseconds ?? 0))
  return {
    contestant,
    round,
    ...result,
    cpuMicrosecondsPerRequest: sum(cpu) / result.requests,
    cpuByProcess: Object.fromEntries(
      running.counted.map(({ name }, index) => [name, (cpu[index] ?? 0) / result.requests]),
    ),
    rssMegabytes: sum(after.map(({ rssBytes }) => rssBytes)) / 2 ** 20,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
