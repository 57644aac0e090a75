/**
 * Waits for work, but no longer than a time limit; the work's signal aborts when the time is over. What it brings later
 * is dropped, a late rejection included. Nothing is left behind once the work has ended: a signal with a time limit of
 * its own would live on until then.
 *
 * @returns undefined when the time was over first
 */
export function withDeadline<T>(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController()
    const timer = setTimeout(() => {
      controller.abort()
      resolve(undefined)
    }, timeoutMs)
    work(controller.signal).then(
      value => {
        clearTimeout(timer)
        resolve(value)
      },
      cause => {
        clearTimeout(timer)
        reject(cause)
      },
    )
  })
}
