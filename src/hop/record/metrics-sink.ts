import { countBackground } from './metrics-background.ts'
import { HopMetrics } from './metrics-hops.ts'
import { measureProcess } from './metrics-process.ts'
import { MetricsRegistry } from './metrics-registry.ts'
import type { AuditSink } from './sink.ts'

export interface MetricsOptions {
  /** This program's version. */
  readonly version: string
  /** Requests under way, asked at each scrape. */
  hopsInFlight(): number
  /** Whether the audit trail takes events, asked at each scrape. */
  isAuditAccepting(): boolean
  /** The number of this worker, where several share the port. */
  readonly worker?: number | undefined
  /** Processes that take requests, asked at each scrape. Default: this one. */
  readonly workers?: (() => number) | undefined
}

/** The sink that counts: what the audit trail says and what the metrics say cannot differ. */
export interface MetricsSink extends AuditSink {
  /** The media type of {@link metricsText}. */
  readonly contentType: string
  /** The Prometheus text exposition format. */
  metricsText(): Promise<string>
}

/**
 * Counts audit events, what is announced on `channels`, and this process, until it is closed. The metrics are listed
 * in `docs/metrics.md`.
 */
export function createMetricsSink(options: MetricsOptions): MetricsSink {
  const registry = new MetricsRegistry()
  const { worker = 1, workers = () => 1 } = options
  const hops = new HopMetrics(registry, worker)
  registry.gauge('hopgate_hops_in_flight', gauge => gauge.set(options.hopsInFlight()))
  registry.gauge('hopgate_audit_accepting', gauge => gauge.set(options.isAuditAccepting() ? 1 : 0))
  registry.gauge('hopgate_workers', gauge => gauge.set(workers()))
  registry.gauge('hopgate_build_info').set(1, { version: options.version, node: process.versions.node })
  const stopBackground = countBackground(registry)
  const stopProcess = measureProcess(registry)
  return {
    write: event => hops.count(event),
    isAccepting: () => true,
    async close() {
      stopBackground()
      stopProcess()
    },
    contentType: registry.contentType,
    metricsText: () => registry.text(),
  }
}
