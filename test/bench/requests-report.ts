import type { Contestant, Target } from './contestant.ts'
import { contestants } from './contestants.ts'
import type { Comparison, Sample } from './measurements/requests.ts'
import { median } from './statistics.ts'
import { formatNumber, formatTable } from './table.ts'
import { formatMissing, verdict } from './verdict.ts'

/** The table of a comparison: medians of the rounds, and each target beside its row. */
export function formatRequests({ samples, missing }: Comparison): string {
  const shown = contestants.filter(({ name }) => samples.some(({ contestant }) => contestant === name))
  const table = formatTable(shown.map(contestant => formatRow(contestant, samples)))
  const lines = shown.flatMap(contestant => formatProcesses(contestant, samples))
  return [table, ...lines, ...formatMissing(missing)].join('\n')
}

function formatRow(
  { name, title, targets = [] }: Contestant,
  samples: readonly Sample[],
): Record<string, string> {
  const own = samples.filter(({ contestant }) => contestant === name)
  const of = (
    field: 'cpuMicrosecondsPerRequest' | 'requestsPerSecond' | 'p50Ms' | 'p99Ms' | 'rssMegabytes',
  ) => median(own.map(sample => sample[field]))
  const verdicts = targets.flatMap(target => formatTarget(target, name, samples))
  return {
    name,
    row: title,
    'CPU µs/request': formatNumber(of('cpuMicrosecondsPerRequest'), 1),
    '× floor': formatNumber(ratio(name, 'floor', samples), 2),
    'requests/s': formatNumber(of('requestsPerSecond')),
    'p50 ms': formatNumber(of('p50Ms'), 2),
    'p99 ms': formatNumber(of('p99Ms'), 2),
    'RSS MB': formatNumber(of('rssMegabytes')),
    errors: String(own.reduce((sum, { errors }) => sum + errors, 0)),
    targets: verdicts.join('; '),
  }
}

/** Nothing when one of the two was not measured. */
function formatTarget({ of, atMost }: Target, name: string, samples: readonly Sample[]): readonly string[] {
  const times = ratio(name, of, samples)
  if (!Number.isFinite(times)) return []
  const unit = ` × ${of}`
  return [atMost === undefined ? `${formatNumber(times, 2)}${unit}` : verdict(times, atMost, 2, unit)]
}

/** How many times the cost of another: the median of the rounds in which both were measured. */
export function ratio(name: string, other: string, samples: readonly Sample[]): number {
  const costs = (contestant: string): ReadonlyMap<number, number> =>
    new Map(
      samples
        .filter(sample => sample.contestant === contestant)
        .map(({ round, cpuMicrosecondsPerRequest }) => [round, cpuMicrosecondsPerRequest]),
    )
  const others = costs(other)
  return median(
    [...costs(name)].flatMap(([round, cost]) => {
      const otherCost = others.get(round)
      return otherCost === undefined ? [] : [cost / otherCost]
    }),
  )
}

/** Where several processes share the cost: what each takes, and how many requests a second keep one core of it busy. */
function formatProcesses({ name }: Contestant, samples: readonly Sample[]): readonly string[] {
  const own = samples.filter(({ contestant }) => contestant === name)
  const processes = Object.keys(own[0]?.cpuByProcess ?? {})
  if (processes.length < 2) return []
  const parts = processes.map(process => {
    const cost = median(own.map(({ cpuByProcess }) => cpuByProcess[process] ?? Number.NaN))
    return `${process} ${formatNumber(cost, 1)} µs/request, ${formatNumber(1e6 / cost)} requests/s per core`
  })
  return [`${name}: ${parts.join('; ')}`]
}
