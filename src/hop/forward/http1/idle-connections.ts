// Not the global one, which belongs to whoever pretends that time goes by.
import { performance } from 'node:perf_hooks'

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
 *
 * The loop counts its looks, and the count is there for the asking; a callback for each turn would cost microseconds, so
 * there is one only while a request waits.
 */
export class IdleConnections<C extends IdleConnection> {
  readonly #owner: IdleOwner
  readonly #ready: C[] = []
  /** Those that became idle lately, the first one first, and the loop's count then. */
  readonly #resting: C[] = []
  readonly #restingSince: number[] = []
  #isTurnDue = false

  constructor(owner: IdleOwner) {
    this.#owner = owner
  }

  add(connection: C): void {
    this.#resting.push(connection)
    this.#restingSince.push(loopCount())
    if (this.#owner.hasWaiting) this.hurry()
  }

  /** Takes one that may be used now. */
  take(): C | undefined {
    this.#wake()
    for (let connection = this.#ready.pop(); connection !== undefined; connection = this.#ready.pop()) {
      if (connection.isUsable) return connection
      connection.destroy()
    }
    return undefined
  }

  /** To be called when a request begins to wait. */
  hurry(): void {
    if (this.#isTurnDue || this.#resting.length === 0) return
    this.#isTurnDue = true
    setImmediate(this.#onTurn)
  }

  /** Forgets one that is closed. */
  delete(connection: C): void {
    const ready = this.#ready.indexOf(connection)
    if (ready !== -1) this.#ready.splice(ready, 1)
    const resting = this.#resting.indexOf(connection)
    if (resting === -1) return
    this.#resting.splice(resting, 1)
    this.#restingSince.splice(resting, 1)
  }

  /** Closes all of them. */
  destroy(): void {
    this.#restingSince.length = 0
    for (const list of [this.#ready, this.#resting]) {
      for (const connection of list.splice(0)) connection.destroy()
    }
  }

  readonly #onTurn = (): void => {
    this.#isTurnDue = false
    const before = this.#ready.length
    this.#wake()
    if (this.#ready.length > before) this.#owner.onReady()
    if (this.#owner.hasWaiting) this.hurry()
  }

  /**
   * The count goes up before each look. While it is one higher than it was, callbacks of the next look may still be to
   * come; when it is two higher, that look is over.
   */
  #wake(): void {
    const nowCount = loopCount()
    let rested = 0
    while ((this.#restingSince[rested] ?? nowCount) + 2 <= nowCount) rested++
    if (rested === 0) return
    this.#restingSince.splice(0, rested)
    for (const connection of this.#resting.splice(0, rested)) this.#ready.push(connection)
  }
}

/** How often the event loop has looked at the sockets, this time included. */
function loopCount(): number {
  return performance.nodeTiming.uvMetricsInfo.loopCount
}
