/** What came of requests, by what was expected of them. */
export class Tally {
  readonly #counts = new Map<string, number>()
  readonly #surprises: string[] = []
  /** Every request that was sent, by its `X-Request-Id`. */
  readonly sent = new Set<string>()
  #next = 0

  /** An id for the next request. */
  newId(): string {
    const id = `soak-${String(this.#next++).padStart(9, '0')}`
    this.sent.add(id)
    return id
  }

  /** Counts what a request of a kind came to, and remembers it when it is not what it should be. */
  note(kind: string, outcome: string, expected: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    if (outcome !== expected && this.#surprises.length < 20) {
      this.#surprises.push(`${new Date().toISOString()} ${kind}: ${outcome} instead of ${expected}`)
    }
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  get surprises(): readonly string[] {
    return this.#surprises
  }
}
