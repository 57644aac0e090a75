import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import type { MetricsRegistry } from './metrics-registry.ts'

interface GcDetail {
  readonly kind: number
}

const gcKinds: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])

/**
 * Measures this process under the names that Prometheus client libraries share. The event loop's delay is taken
 * once in each of its rounds, not by a timer, which would wake an idle sidecar a hundred times a second.
 *
 * @returns stops measuring
 */
export function measureProcess(registry: MetricsRegistry): () => void {
  registry.counter('process_cpu_seconds_total', counter => {
    const { user, system } = process.cpuUsage()
    counter.setTotal((user + system) / 1e6)
  })
  registry.gauge('process_resident_memory_bytes', gauge => gauge.set(process.memoryUsage.rss()))
  registry.gauge('process_start_time_seconds').set(performance.timeOrigin / 1000)
  measureDescriptors(registry)
  measureHeap(registry)
  const stopLoop = measureEventLoop(registry)
  const stopGc = measureGc(registry)
  return () => {
    stopLoop()
    stopGc()
  }
}

/** From `/proc`; elsewhere than on Linux the two stay without a sample. */
function measureDescriptors(registry: MetricsRegistry): void {
  registry
    .gauge('process_open_fds', async gauge => {
      const open = await readdir('/proc/self/fd').catch(() => undefined)
      if (open !== undefined) gauge.set(open.length)
    })
    .remove()
  const max = registry.gauge('process_max_fds')
  max.remove()
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    if (limit !== undefined) max.set(Number(limit))
  } catch {
    // not Linux
  }
}

function measureHeap(registry: MetricsRegistry): void {
  // Made first, and so asked first at a scrape: it also sets the other two.
  registry.gauge('nodejs_heap_size_total_bytes', total => {
    const memory = process.memoryUsage()
    total.set(memory.heapTotal)
    used.set(memory.heapUsed)
    external.set(memory.external)
  })
  const used = registry.gauge('nodejs_heap_size_used_bytes')
  const external = registry.gauge('nodejs_external_memory_bytes')
}

function measureEventLoop(registry: MetricsRegistry): () => void {
  const delay = monitorEventLoopDelay({ samplePerIteration: true })
  delay.enable()
  // The first sample would hold the wait for the first event; this ends the first iteration now.
  setImmediate(() => delay.reset())
  registry.counter('nodejs_eventloop_active_seconds_total', counter => {
    counter.setTotal(performance.eventLoopUtilization().active / 1000)
  })
  // Made first, and so asked first at a scrape: it also sets the other two.
  registry.gauge('nodejs_eventloop_lag_p50_seconds', p50 => {
    p50.set(delay.percentile(50) / 1e9)
    p99.set(delay.percentile(99) / 1e9)
    max.set(delay.max / 1e9)
    delay.reset()
  })
  const p99 = registry.gauge('nodejs_eventloop_lag_p99_seconds')
  const max = registry.gauge('nodejs_eventloop_lag_max_seconds')
  return () => delay.disable()
}

function measureGc(registry: MetricsRegistry): () => void {
  const pauses = registry.histogram('nodejs_gc_duration_seconds')
  const observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries() as (PerformanceEntry & { readonly detail?: GcDetail })[]) {
      const kind = gcKinds.get(entry.detail?.kind ?? -1)
      if (kind !== undefined) pauses.cell({ kind }).observe(entry.duration / 1000)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}
