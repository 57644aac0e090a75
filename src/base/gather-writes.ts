import type { Writable } from 'node:stream'

/**
 * Prepares a function that makes what is written to a stream from now on leave together at the end of this turn of the
 * event loop. Many small writes in one turn, as of commands for many requests, then cost one system call.
 */
export function createWriteGathering(): (stream: Pick<Writable, 'cork' | 'uncork'>) => void {
  let gathered: Pick<Writable, 'cork' | 'uncork'> | undefined
  const release = (): void => {
    const stream = gathered
    gathered = undefined
    stream?.uncork()
  }
  return stream => {
    if (gathered === stream) return
    // A stream that replaced another in the same turn.
    release()
    gathered = stream
    stream.cork()
    setImmediate(release)
  }
}
