import { type ConfigProblem, type DocumentPath, formatPath, quoteText } from './config-problem.ts'
import type { ConfigSource } from './config-source.ts'

/** What is wrong at one place of a configuration. */
export interface Complaint {
  readonly path: DocumentPath
  readonly found: string
  readonly expected?: string
  readonly suggestion?: string
  /** Points at the key instead of the value. */
  readonly at?: 'key'
}

/** Collects everything that is wrong with one configuration, so that the author sees it at once. */
export class Report {
  readonly #source: ConfigSource
  readonly #problems: ConfigProblem[]
  readonly #included: ConfigProblem[] = []
  /** Where the text itself is wrong: whatever else is wrong there follows from it. */
  readonly #unreadable: ReadonlySet<string>

  constructor(source: ConfigSource) {
    this.#source = source
    this.#problems = [...source.problems]
    this.#unreadable = new Set(source.problems.map(problem => problem.path))
  }

  /** Adds a complaint, unless the text at that very place could not be read in the first place. */
  add({ path, at, ...complaint }: Complaint): void {
    const formatted = formatPath(path)
    if (path.length > 0 && this.#unreadable.has(formatted)) return
    this.#problems.push({
      file: this.#source.file,
      ...this.#source.position(path, at ?? 'value'),
      path: formatted,
      ...complaint,
    })
  }

  /** Names a value for a message: quoted, or by the variable that it came from, whose content is never shown. */
  describe(path: DocumentPath, value: unknown): string {
    const variables = this.#source.substitution(path)?.variables ?? []
    if (variables.length > 0) return `the value of ${variables.map(name => `\${${name}}`).join(' and ')}`
    return typeof value === 'string' ? quoteText(value) : describeKind(value)
  }

  /** Whether a value came from the environment, so that no message may quote it. */
  isFromEnvironment(path: DocumentPath): boolean {
    return (this.#source.substitution(path)?.variables.length ?? 0) > 0
  }

  /** The line at which a value stands. */
  line(path: DocumentPath): number {
    return this.#source.position(path, 'value').line
  }

  /** Takes over what is wrong with another file that this one names. */
  include(problems: readonly ConfigProblem[]): void {
    this.#included.push(...problems)
  }

  /** Every problem, in the order of the file, and those of the files that it names after them. */
  problems(): readonly ConfigProblem[] {
    const own = this.#problems.toSorted(
      (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
    )
    return [...own, ...this.#included]
  }
}

/** Names the kind of a value. What stands in a wrong place may be a secret, so the value itself is not shown. */
export function describeKind(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'string') return value === '' ? 'empty text' : 'text'
  return typeof value === 'boolean' ? String(value) : 'a number'
}
