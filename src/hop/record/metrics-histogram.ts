import { formatLabels } from './metrics-labels.ts'
import { type LabelsOf, metricTable, type NameOf } from './metrics-table.ts'

type HistogramName = NameOf<'histogram'>

/** The counts of one histogram for one set of label values. */
export class HistogramCell {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Array<number>(bounds.length + 1).fill(0)
  }

  /** Counts one duration; what is no duration counts as zero. */
  observe(seconds: number): void {
    const isDuration = seconds > 0
    const value = isDuration ? seconds : 0
    const bounds = this.#bounds
    let i = 0
    while (i < bounds.length && value > (bounds[i] as number)) i++
    this.#counts[i] = (this.#counts[i] as number) + 1
    this.#sum += value
  }

  /** The samples in the text exposition format. */
  format(name: string, labels: string): string {
    const before = labels === '' ? '' : `${labels},`
    let text = ''
    let total = 0
    for (const [i, count] of this.#counts.entries()) {
      total += count
      text += `${name}_bucket{${before}le="${this.#bounds[i] ?? '+Inf'}"} ${total}\n`
    }
    const set = labels === '' ? '' : `{${labels}}`
    return `${text}${name}_sum${set} ${this.#sum}\n${name}_count${set} ${total}\n`
  }
}

/**
 * A histogram whose cells are found once and then counted in directly: a hop makes up to eight observations, and to put
 * the labels together anew would cost each of them half a microsecond.
 */
export class Histogram<N extends HistogramName> {
  readonly #name: N
  readonly #cells = new Map<string, HistogramCell>()

  constructor(name: N) {
    this.#name = name
  }

  /** The cell for these label values, the same for the same values. */
  cell(labels: LabelsOf<N>): HistogramCell {
    const key = formatLabels(metricTable[this.#name].labels, labels)
    let cell = this.#cells.get(key)
    if (cell === undefined) {
      cell = new HistogramCell(metricTable[this.#name].buckets)
      this.#cells.set(key, cell)
    }
    return cell
  }

  /** Help, type and samples in the text exposition format, with a line end. */
  format(): string {
    let text = `# HELP ${this.#name} ${metricTable[this.#name].help}\n# TYPE ${this.#name} histogram\n`
    for (const [labels, cell] of this.#cells) text += cell.format(this.#name, labels)
    return text
  }
}
