import { getHeapStatistics } from 'node:v8'

export interface LoadLimits {
  /** Requests under way at the same time. */
  readonly requests: number
  /** How late the event loop may be, in milliseconds. */
  readonly eventLoopDelayMs: number
  /** Resident memory of this process, in bytes; undefined takes its share of the container's limit, if it has one. */
  readonly memoryBytes: number | undefined
}

/** Tells whether another request would be too many. */
export interface LoadMonitor {
  /** @returns why it would be, in a few words; undefined when there is room */
  overload(): string | undefined
  close(): void
}

const sampleMs = 100
/** Of what the container or V8 allows: above it the next thing that happens is a kill. */
const usableShare = 0.9

/**
 * Watches what a process runs out of: memory, time on its event loop, requests under way. It looks ten times in a second,
 * and asking it costs a comparison. A blocked event loop is noticed before the requests that came meanwhile are read,
 * since timers are looked at first.
 *
 * @param processes how many share the container's memory
 */
export function createLoadMonitor(
  limits: LoadLimits,
  requestsUnderWay: () => number,
  processes = 1,
): LoadMonitor {
  const memoryLimit = limits.memoryBytes ?? (containerMemory() * usableShare) / processes
  const heapLimit = getHeapStatistics().heap_size_limit * usableShare
  let sampledMs = performance.now()
  let exhausted: string | undefined
  const sample = (): void => {
    const nowMs = performance.now()
    const delayMs = nowMs - sampledMs - sampleMs
    sampledMs = nowMs
    if (delayMs > limits.eventLoopDelayMs) exhausted = 'the event loop is late'
    else if (process.memoryUsage.rss() > memoryLimit) exhausted = 'memory is nearly used up'
    else if (getHeapStatistics().used_heap_size > heapLimit) exhausted = 'the heap is nearly used up'
    else exhausted = undefined
  }
  const timer = setInterval(sample, sampleMs).unref()
  return {
    overload() {
      if (exhausted !== undefined) return exhausted
      return requestsUnderWay() > limits.requests ? 'too many requests are under way' : undefined
    },
    close: () => clearInterval(timer),
  }
}

function containerMemory(): number {
  const bytes = process.constrainedMemory()
  return bytes > 0 && bytes < Number.MAX_SAFE_INTEGER ? bytes : Infinity
}
