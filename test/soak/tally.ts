/** What came of requests, by what was expected of them. */
export class Tally {
  readonly #counts = new Map<string, number>()
  readonly #surprises = new Map<string, { count: number; readonly first: Date; last: Date }>()
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
    if (outcome === expected) return
    const name = `${kind}: ${outcome} instead of ${expected}`
    const now = new Date()
    const known = this.#surprises.get(name)
    if (known === undefined) {
      this.#surprises.set(name, { count: 1, first: now, last: now })
    } else {
      known.count++
      known.last = now
    }
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** Each unexpected outcome once, with how often and when it was seen. */
  get surprises(): readonly string[] {
    return [...this.#surprises].map(
      ([name, { count, first, last }]) =>
        `${name}, ${count} times from ${first.toISOString()} to ${last.toISOString()}`,
    )
  }
}
