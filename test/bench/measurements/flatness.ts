import { reasonOf } from '../contestant.ts'
import { contestantsCalled, contestantsOf } from '../contestants.ts'
import type { Options } from '../options.ts'
import type { Report } from '../report.ts'
import { formatRequests, ratio } from '../requests-report.ts'
import { type RunningContestant, startContestant } from '../run-contestant.ts'
import type { Site } from '../site.ts'
import { turned } from '../statistics.ts'
import { formatNumber } from '../table.ts'
import { type Sample, sampleLoad } from './requests.ts'

/** Turns for each round that is asked for: they are short, and a median of many says more than one of few. */
const turnsPerRound = 4

/**
 * Measures whether the cost of a request stays the same with more and more of what must not matter. A tenth is to be told
 * apart from the noise: so all contestants are started, filled and warmed up once, and stay; then each gets its load
 * for a moment, turn after turn and in changing order. Whoever has no load costs the others nothing.
 */
export async function measureFlatness(site: Site, options: Options): Promise<Report> {
  const { only, connections, warmUpSeconds } = options
  const contestants = only.length === 0 ? contestantsOf('flatness') : contestantsCalled(only)
  const missing: Record<string, string> = {}
  const samples: Sample[] = []
  await using started = new AsyncDisposableStack()
  const running = new Map<string, RunningContestant>()
  const unlessItFails = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (cause) {
      missing[name] = reasonOf(cause)
      running.delete(name)
      process.stderr.write(`  ${missing[name]}\n`)
    }
  }
  for (const contestant of contestants) {
    process.stderr.write(`flatness, start and warm-up: ${contestant.name}\n`)
    await unlessItFails(contestant.name, async () => {
      const one = await startContestant(site, contestant, started, { connections })
      await one.warmUp(warmUpSeconds)
      running.set(contestant.name, one)
    })
  }
  const turns = turnsPerRound * options.rounds
  for (let turn = 1; turn <= turns; turn++) {
    process.stderr.write(`flatness, turn ${turn} of ${turns}\n`)
    for (const [name, one] of turned([...running], turn - 1)) {
      await unlessItFails(name, async () => {
        samples.push(await sampleLoad(one, name, turn, Math.ceil(options.seconds / 2)))
      })
    }
  }
  const figures = { samples, missing }
  return { text: [formatRequests(figures), ...describeNoise(samples)].join('\n'), figures }
}

/** What two rows that are the same differ by is what this run cannot tell apart. */
function describeNoise(samples: readonly Sample[]): readonly string[] {
  const times = ratio('routes-1-again', 'routes-1', samples)
  if (!Number.isFinite(times)) return []
  const noise = `noise of this run: routes-1-again, the same row twice, ${formatNumber(times, 2)} × routes-1`
  return [Math.abs(times - 1) < 0.05 ? noise : `${noise}: too much to decide about a tenth`]
}
