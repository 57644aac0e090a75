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
  readonly #flights = new Map<string, Run<T>>()

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
    if (underWay?.result !== undefined) return { result: underWay.result, joined: true }
    const flight = new Run<T>(this.#flights, key)
    // The entry exists before the run begins: it may ask `isCurrent` from its first line.
    this.#flights.set(key, flight)
    flight.result = flight.start(run)
    // Callers hear of a failure through their own handle; a run that nobody waits for any more must not be fatal.
    flight.result.catch(() => {})
    return { result: flight.result, joined: false }
  }

  /** Parts with the run of a key: whoever joined it still gets its result, the next caller starts a new one. */
  forget(key: string): void {
    this.#flights.delete(key)
  }
}

/** One run, and the entry that others join it by. */
class Run<T> implements Flight {
  readonly #flights: Map<string, Run<T>>
  readonly #key: string
  /** Undefined while the first lines of the run are at work. */
  result: Promise<T> | undefined

  constructor(flights: Map<string, Run<T>>, key: string) {
    this.#flights = flights
    this.#key = key
  }

  isCurrent(): boolean {
    return this.#flights.get(this.#key) === this
  }

  async start(run: (flight: Flight) => Promise<T>): Promise<T> {
    try {
      return await run(this)
    } finally {
      if (this.isCurrent()) this.#flights.delete(this.#key)
    }
  }
}
