import { Histogram } from './metrics-histogram.ts'
import { Counter, Gauge } from './metrics-samples.ts'
import { metricTable, type NameOf } from './metrics-table.ts'

/** Brings a metric up to date when it is scraped. */
type Collect<M> = (metric: M) => void | Promise<void>

interface Collected {
  readonly metric: Counter | Gauge
  readonly collect: () => void | Promise<void> | undefined
}

/** Makes metrics by their row in the table, and writes them all as text. Nothing is global. */
export class MetricsRegistry {
  /** In the order in which they were made, which is that in which they are collected. */
  readonly #collected: Collected[] = []
  readonly #histograms: { format(): string }[] = []

  /** The media type of {@link text}. */
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8'

  counter(name: NameOf<'counter'>, collect?: Collect<Counter>): Counter {
    const metric = new Counter(name)
    this.#collected.push({ metric, collect: () => collect?.(metric) })
    return metric
  }

  gauge(name: NameOf<'gauge'>, collect?: Collect<Gauge>): Gauge {
    const metric = new Gauge(name)
    this.#collected.push({ metric, collect: () => collect?.(metric) })
    return metric
  }

  histogram<N extends NameOf<'histogram'>>(name: N): Histogram<N> {
    const histogram = new Histogram(name)
    this.#histograms.push(histogram)
    return histogram
  }

  /** The text exposition format, version 0.0.4. */
  async text(): Promise<string> {
    // Loads TLS and zlib for a push gateway, which is no part of a start.
    const prom = await import('prom-client')
    const registry = new prom.Registry()
    for (const { collect } of this.#collected) await collect()
    for (const { metric } of this.#collected) {
      const { help, labels } = metricTable[metric.name]
      const settings = { name: metric.name, help, labelNames: [...labels], registers: [registry] }
      const written = metric instanceof Counter ? new prom.Counter(settings) : new prom.Gauge(settings)
      // Who has no labels begins with a sample, which ours may not have.
      if (labels.length === 0 && written instanceof prom.Gauge) written.remove()
      for (const sample of metric.samples()) written.inc({ ...sample.labels }, sample.value)
    }
    return `${await registry.metrics()}\n${this.#histograms.map(histogram => histogram.format()).join('\n')}`
  }
}
