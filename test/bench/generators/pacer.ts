import { parentPort, workerData } from 'node:worker_threads'

/**
 * A thread that sends a message each time that a request is due: a wait on memory ends within some ten microseconds of
 * its time, a timer of the event loop within a millisecond.
 */
const { startMs, intervalMs, count } = workerData as {
  /** Since the epoch: threads have time origins of their own. */
  readonly startMs: number
  readonly intervalMs: number
  readonly count: number
}
const nothing = new Int32Array(new SharedArrayBuffer(4))
for (let index = 0; index < count; index++) {
  const waitMs = startMs + index * intervalMs - (performance.timeOrigin + performance.now())
  // What is overdue is sent with one message.
  if (waitMs > 0) Atomics.wait(nothing, 0, 0, waitMs)
  else if (index < count - 1) continue
  parentPort?.postMessage(undefined)
}
