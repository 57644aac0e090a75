import { formatLabels, type Labels } from './metrics-labels.ts'
import { metricTable, type NameOf } from './metrics-table.ts'

/** One number of a metric, with the label values that it belongs to. */
export interface MetricSample {
  readonly labels: Labels
  readonly value: number
}

const none: Labels = {}

/**
 * The samples of one metric: a number for each set of label values. A metric without labels begins with 0. They are kept
 * here so that prom-client, which writes them, is loaded with the first scrape and not with the start.
 */
abstract class Samples<N extends NameOf<'counter' | 'gauge'>> {
  readonly name: N
  readonly #samples = new Map<string, MetricSample>()

  constructor(name: N) {
    this.name = name
    this.reset()
  }

  /** Forgets every sample; a metric without labels is 0 again. */
  reset(): void {
    this.#samples.clear()
    if (metricTable[this.name].labels.length === 0) this.#samples.set('', { labels: none, value: 0 })
  }

  samples(): Iterable<MetricSample> {
    return this.#samples.values()
  }

  protected change(labels: Labels, next: (before: number) => number | undefined): void {
    const key = formatLabels(metricTable[this.name].labels, labels)
    const value = next(this.#samples.get(key)?.value ?? 0)
    if (value === undefined) this.#samples.delete(key)
    else this.#samples.set(key, { labels, value })
  }
}

/** What only grows, until the process ends. */
export class Counter extends Samples<NameOf<'counter'>> {
  /** @param by not negative */
  inc(labels: Labels = none, by = 1): void {
    this.change(labels, before => before + by)
  }

  /** Says a total that is counted elsewhere. */
  setTotal(total: number): void {
    this.change(none, () => total)
  }
}

/** What goes up and down. */
export class Gauge extends Samples<NameOf<'gauge'>> {
  set(value: number, labels: Labels = none): void {
    this.change(labels, () => value)
  }

  /** Shows no sample, where 0 would say something. */
  remove(): void {
    this.change(none, () => undefined)
  }
}
