import { Counter, Gauge, Registry } from 'prom-client'
import { Histogram } from './metrics-histogram.ts'
import { metricTable, type NameOf } from './metrics-table.ts'

/** Makes metrics by their row in the table, and writes them all as text. Nothing is global. */
export class MetricsRegistry {
  readonly #registry = new Registry()
  readonly #histograms: { format(): string }[] = []

  /** The media type of {@link text}. */
  get contentType(): string {
    return this.#registry.contentType
  }

  counter(name: NameOf<'counter'>, collect?: (counter: Counter) => void | Promise<void>): Counter {
    return new Counter(this.#settings(name, collect))
  }

  gauge(name: NameOf<'gauge'>, collect?: (gauge: Gauge) => void | Promise<void>): Gauge {
    return new Gauge(this.#settings(name, collect))
  }

  histogram<N extends NameOf<'histogram'>>(name: N): Histogram<N> {
    const histogram = new Histogram(name)
    this.#histograms.push(histogram)
    return histogram
  }

  /** The text exposition format, version 0.0.4. */
  async text(): Promise<string> {
    const text = await this.#registry.metrics()
    return `${text}\n${this.#histograms.map(histogram => histogram.format()).join('\n')}`
  }

  #settings<M>(
    name: NameOf<'counter' | 'gauge'>,
    collect?: (metric: M) => void | Promise<void>,
  ): {
    name: string
    help: string
    labelNames: string[]
    registers: Registry[]
    collect?: (this: M) => void | Promise<void>
  } {
    const { help, labels } = metricTable[name]
    return {
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      ...(collect !== undefined && {
        collect(this: M) {
          return collect(this)
        },
      }),
    }
  }
}
