/** A connection without a request. */
export interface IdleConnection {
  readonly isUsable: boolean
  destroy(): void
}

/** Who gives the connections requests. */
export interface IdleOwner {
  /** Whether a request waits for one. */
  readonly hasWaiting: boolean
  /** There are more to be taken. */
  onReady(): void
}

/**
 * The connections that have no request.
 *
 * One that has just become idle is not given away before the event loop has once looked at all sockets since: what
 * upstream sent beyond the end of a response is read then, and ends the connection, instead of being read as the answer
 * to somebody else's request. The one that was used last is given away first, so that no more are kept than are needed.
 */
export class IdleConnections<C extends IdleConnection> {
  readonly #owner: IdleOwner
  readonly #ready: C[] = []
  /** Those that became idle in this turn of the event loop, and those that did in the turn before. */
  #fresh: C[] = []
  #resting: C[] = []
  #turn: NodeJS.Immediate | undefined

  constructor(owner: IdleOwner) {
    this.#owner = owner
  }

  add(connection: C): void {
    this.#fresh.push(connection)
    this.#turn ??= this.#nextTurn()
  }

  /** Takes one that may be used now. */
  take(): C | undefined {
    for (let connection = this.#ready.pop(); connection !== undefined; connection = this.#ready.pop()) {
      if (connection.isUsable) return connection
      connection.destroy()
    }
    return undefined
  }

  /** To be called when a request begins to wait. */
  hurry(): void {
    this.#turn?.ref()
  }

  /** Forgets one that is closed. */
  delete(connection: C): void {
    for (const list of [this.#ready, this.#fresh, this.#resting]) {
      const at = list.indexOf(connection)
      if (at !== -1) list.splice(at, 1)
    }
  }

  /** Closes all of them. */
  destroy(): void {
    for (const list of [this.#ready, this.#fresh, this.#resting]) {
      for (const connection of list.splice(0)) connection.destroy()
    }
  }

  readonly #onTurn = (): void => {
    const rested = this.#resting
    this.#resting = this.#fresh
    this.#fresh = []
    this.#turn = this.#resting.length > 0 ? this.#nextTurn() : undefined
    if (rested.length === 0) return
    for (const connection of rested) this.#ready.push(connection)
    this.#owner.onReady()
  }

  /** The turn ends when something has happened; only when a request waits, it ends at once. */
  #nextTurn(): NodeJS.Immediate {
    const turn = setImmediate(this.#onTurn)
    return this.#owner.hasWaiting ? turn : turn.unref()
  }
}
