/**
 * Lets concurrent callers of the same key share one run. A caller that goes away does not stop the run for the
 * others, and a finished run clears only its own entry.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  /** How many runs are under way. */
  get size(): number {
    return this.#flights.size
  }

  /** Starts `run`, or joins the run that the same key has under way. */
  do(key: string, run: () => Promise<T>): { readonly result: Promise<T>; readonly joined: boolean } {
    const underWay = this.#flights.get(key)
    if (underWay !== undefined) return { result: underWay, joined: true }
    const result = run().finally(() => {
      if (this.#flights.get(key) === result) this.#flights.delete(key)
    })
    this.#flights.set(key, result)
    return { result, joined: false }
  }
}
