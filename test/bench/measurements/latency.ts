import { reasonOf } from '../contestant.ts'
import { contestantsCalled } from '../contestants.ts'
import type { OpenLoopResult } from '../generators/open-loop.ts'
import { runOpenLoop } from '../generators/run-open-loop.ts'
import type { Options } from '../options.ts'
import type { Report } from '../report.ts'
import { startContestant } from '../run-contestant.ts'
import type { Site } from '../site.ts'
import { median, turned } from '../statistics.ts'
import { formatNumber, formatTable } from '../table.ts'
import { formatMissing, lateVerdict } from '../verdict.ts'

const perSecond = 1_000
const targets: Readonly<Record<string, number>> = { hot: 1 }
const usual = ['direct', 'node-answers', 'floor', 'http-proxy-3', 'nginx', 'haproxy', 'caddy', 'hot']

/** One contestant in one round. */
interface LatencySample extends OpenLoopResult {
  readonly contestant: string
  readonly round: number
}

/** Measures what each proxy adds to the latency of the upstream at a constant rate, far below what it can take. */
export async function measureLatency(site: Site, options: Options): Promise<Report> {
  const names = options.only.length === 0 ? usual : ['direct', ...options.only]
  const contestants = contestantsCalled(names)
  const samples: LatencySample[] = []
  const missing: Record<string, string> = {}
  for (let round = 1; round <= options.rounds; round++) {
    for (const contestant of turned(contestants, round - 1)) {
      const { name } = contestant
      if (missing[name] !== undefined) continue
      process.stderr.write(`latency, round ${round}: ${name}\n`)
      await using started = new AsyncDisposableStack()
      try {
        const running = await startContestant(site, contestant, started, options)
        await running.warmUp(options.warmUpSeconds)
        const load = { perSecond, seconds: options.seconds, cpu: site.cpus.load }
        const result = await runOpenLoop(running.setup.load, load)
        samples.push({ contestant: name, round, ...result })
      } catch (cause) {
        missing[name] = reasonOf(cause)
      }
    }
  }
  const shown = contestants.filter(({ name }) => samples.some(({ contestant }) => contestant === name))
  const rows = shown.map(({ name, title }) => formatRow(name, title, samples))
  return { text: [formatTable(rows), ...formatMissing(missing)].join('\n'), figures: { samples, missing } }
}

function formatRow(name: string, title: string, samples: readonly LatencySample[]): Record<string, string> {
  const own = samples.filter(({ contestant }) => contestant === name)
  const of = (field: 'p50Ms' | 'p99Ms' | 'p999Ms' | 'maxMs' | 'lateP99Ms') =>
    median(own.map(sample => sample[field]))
  const added = (field: 'p50Ms' | 'p99Ms') =>
    median(
      own.flatMap(sample => {
        const direct = samples.find(
          ({ contestant, round }) => contestant === 'direct' && round === sample.round,
        )
        return direct === undefined ? [] : [sample[field] - direct[field]]
      }),
    )
  const target = targets[name]
  const addedP99 = added('p99Ms')
  const lateMs = Math.max(
    of('lateP99Ms'),
    median(samples.filter(({ contestant }) => contestant === 'direct').map(({ lateP99Ms }) => lateP99Ms)),
  )
  return {
    name,
    [`at ${perSecond} requests/s`]: title,
    'p50 ms': formatNumber(of('p50Ms'), 2),
    'p99 ms': formatNumber(of('p99Ms'), 2),
    'p99.9 ms': formatNumber(of('p999Ms'), 2),
    'max ms': formatNumber(of('maxMs'), 1),
    'p50 added': formatNumber(added('p50Ms'), 2),
    'p99 added': target === undefined ? formatNumber(addedP99, 2) : lateVerdict(addedP99, target, lateMs),
    'generator late, p99': formatNumber(of('lateP99Ms'), 2),
    errors: String(own.reduce((sum, { errors }) => sum + errors, 0)),
  }
}
