import { type MetricName, type MetricRow, metricTable } from './metrics-table.ts'

/** The process that leads the workers, among the processes that metrics come from. Workers count from 1. */
export const primary = 0

/** Samples by their name and labels, as they are written: the same code wrote them all. */
type Samples = Map<string, number>

/**
 * Makes one exposition of those of several processes. What a process has counted stays when it ends, and no counter
 * ever goes back: to Prometheus that would be a restart, and everything before it would be counted again.
 */
export class MergedMetrics {
  readonly #current = new Map<number, Samples>()
  /** Counters of processes that have ended. */
  readonly #departed: Samples = new Map()
  /** What the counters were said to be. Sums of fractions differ in their last digit by the order of summation. */
  readonly #shown: Samples = new Map()
  readonly #peaks: Samples = new Map()

  /** Takes what a process says of itself now, in the text exposition format. */
  update(process: number, text: string): void {
    const samples = parse(text)
    this.#current.set(process, samples)
    for (const [sample, value] of samples) {
      if (rowOf(sample)?.across === 'peak') raise(this.#peaks, sample, value)
    }
  }

  /** Keeps what a process has counted, and forgets what it was like. */
  retire(process: number): void {
    for (const [sample, value] of this.#current.get(process) ?? []) {
      if (rowOf(sample)?.across === undefined) add(this.#departed, sample, value)
    }
    this.#current.delete(process)
  }

  /** The exposition of all processes. */
  text(): string {
    const merged = groupByMetric(this.#merge())
    let text = ''
    for (const [name, { type, help }] of Object.entries<MetricRow>(metricTable)) {
      text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
      for (const [sample, value] of merged.get(name) ?? []) text += `${sample} ${value}\n`
      text += '\n'
    }
    this.#peaks.clear()
    return text
  }

  #merge(): Samples {
    const merged: Samples = new Map(this.#departed)
    for (const [process, samples] of this.#current) {
      for (const [sample, value] of samples) {
        const row = rowOf(sample)
        if (row !== undefined) combine(merged, sample, value, row, process)
      }
    }
    for (const [sample, value] of this.#peaks) merged.set(sample, value)
    for (const [sample, value] of merged) {
      if (rowOf(sample)?.across !== undefined) continue
      merged.set(sample, raise(this.#shown, sample, value))
    }
    return merged
  }
}

function combine(merged: Samples, sample: string, value: number, row: MetricRow, process: number): void {
  const { across = 'sum' } = row
  const known = merged.get(sample)
  if (across === 'sum') add(merged, sample, value)
  else if (across === 'primary' && process === primary) merged.set(sample, value)
  else if (across === 'highest' && process !== primary) raise(merged, sample, value)
  else if (across === 'lowest' && process !== primary) merged.set(sample, Math.min(known ?? value, value))
}

function add(samples: Samples, sample: string, value: number): void {
  samples.set(sample, (samples.get(sample) ?? 0) + value)
}

/** Keeps the higher one, and answers it. What is not a number is no value. */
function raise(samples: Samples, sample: string, value: number): number {
  const known = samples.get(sample)
  const higher = known === undefined || value > known ? value : known
  if (!Number.isNaN(higher)) samples.set(sample, higher)
  return higher
}

/** Samples by metric, each in the order in which they first came: buckets stay as they are. */
function groupByMetric(samples: Samples): ReadonlyMap<string, readonly [string, number][]> {
  const groups = new Map<string, [string, number][]>()
  for (const one of samples) {
    const name = metricOf(one[0])
    if (name === undefined) continue
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [one])
    else group.push(one)
  }
  return groups
}

function parse(text: string): Samples {
  const samples: Samples = new Map()
  for (const line of text.split('\n')) {
    const blank = line.lastIndexOf(' ')
    if (blank <= 0 || line.startsWith('#')) continue
    samples.set(line.slice(0, blank), Number(line.slice(blank + 1)))
  }
  return samples
}

function rowOf(sample: string): MetricRow | undefined {
  const name = metricOf(sample)
  return name && metricTable[name]
}

const partOfHistogram = /_(?:bucket|sum|count)$/

/** The metric that a sample belongs to. */
function metricOf(sample: string): MetricName | undefined {
  const brace = sample.indexOf('{')
  const name = brace === -1 ? sample : sample.slice(0, brace)
  if (Object.hasOwn(metricTable, name)) return name as MetricName
  const histogram = name.replace(partOfHistogram, '')
  return Object.hasOwn(metricTable, histogram) ? (histogram as MetricName) : undefined
}
