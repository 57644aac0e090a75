/** What a run may ask about itself while it is under way. */
export interface Flight {
  /** False once the key was {@link SingleFlight.forget forgotten}: the result must then not be kept. */
  isCurrent(): boolean
}

/**
 * Lets concurrent callers of the same key share one run. A caller that goes away does not stop the run for the
 * others, a finished run clears only its own entry, and a key that is forgotten while its run is under way wins over
 * that run.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, { readonly flight: Flight; readonly result: Promise<T> }>()

  /** How many runs are under way that a caller could still join. */
  get size(): number {
    return this.#flights.size
  }

  /** Starts `run`, or joins the run that the same key has under way. A run that throws is a rejected result. */
  do(
    key: string,
    run: (flight: Flight) => Promise<T>,
  ): { readonly result: Promise<T>; readonly joined: boolean } {
    const underWay = this.#flights.get(key)
    if (underWay !== undefined) return { result: underWay.result, joined: true }
    const flight: Flight = { isCurrent: () => this.#flights.get(key)?.flight === flight }
    const result = this.#run(key, flight, run)
    // Callers hear of a failure through their own handle; a run that nobody waits for any more must not be fatal.
    result.catch(() => {})
    this.#flights.set(key, { flight, result })
    return { result, joined: false }
  }

  async #run(key: string, flight: Flight, run: (flight: Flight) => Promise<T>): Promise<T> {
    // Begins on a later tick, when its entry exists: it may ask `isCurrent` from its first line.
    await undefined
    try {
      return await run(flight)
    } finally {
      if (flight.isCurrent()) this.#flights.delete(key)
    }
  }

  /** Parts with the run of a key: whoever joined it still gets its result, the next caller starts a new one. */
  forget(key: string): void {
    this.#flights.delete(key)
  }
}
