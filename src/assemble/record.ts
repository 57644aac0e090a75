import { channels } from '../base/channels.ts'
import type { LineWriter } from '../base/line-writer.ts'
import type { Log } from '../base/log.ts'
import { release } from '../base/release.ts'
import type { SidecarConfig } from '../config/sidecar-config.ts'
import type { HopRecord } from '../hop/hop.ts'
import { createAuditWriter } from '../hop/record/audit-writer.ts'
import { createJsonLinesSink } from '../hop/record/json-lines-sink.ts'
import { createMetricsSink, type MetricsSink } from '../hop/record/metrics-sink.ts'
import { createRecord } from '../hop/record/record.ts'
import { createKeyEventWriter } from '../hub/key-event-line.ts'
import { createTokenEventWriter } from '../hub/token-event-line.ts'
import type { KeyChange } from '../sts/open-signer.ts'
import type { TokenServiceEvent } from '../sts/token-service-event.ts'

/** The sixth stage with its sinks: the audit trail and the metrics. */
export interface AssembledRecord extends HopRecord {
  readonly metrics: MetricsSink
  /** Hops that have begun and not ended. */
  underWay(): number
  /** Records what the embedded token service issues and refuses, in the same trail. */
  tokenEventsOf(issuer: string): (event: TokenServiceEvent) => void
  /** Records that its signing keys have become others. */
  keyEventsOf(issuer: string): (change: KeyChange) => void
  /** Whether the token service may issue: false while its event could be lost and must not be. */
  acceptsTokenEvents(): boolean
  /** Opens the audit file again after it was rotated. */
  reopen(): void
  /** Writes what is waiting. */
  close(): Promise<void>
}

export interface RecordDependencies {
  readonly log: Log
  /** Takes the audit lines instead of what the configuration names. */
  readonly auditWriter?: LineWriter
  /** The number of this worker, where several processes share the port. */
  readonly worker?: number
  /** Processes that take requests, asked at each scrape. Default: this one. */
  readonly workers?: () => number
}

/** Wires the record of a sidecar. Throws when the audit file cannot be opened. */
export function assembleRecord(
  { service, audit }: Pick<SidecarConfig, 'service' | 'audit'>,
  { log, auditWriter, worker, workers }: RecordDependencies,
): AssembledRecord {
  const writer = auditWriter ?? createAuditWriter({ file: audit.file, queue: audit.queue, log })
  let inFlight = 0
  const metrics = createMetricsSink({
    version: release,
    hopsInFlight: () => inFlight,
    isAuditAccepting: () => writer.isAccepting(),
    worker,
    workers,
  })
  const record = createRecord([createJsonLinesSink(service, writer), metrics], log)
  return {
    metrics,
    underWay: () => inFlight,
    tokenEventsOf(issuer) {
      const lineOf = createTokenEventWriter(issuer)
      return event => {
        if (!writer.write(lineOf(event))) channels.auditLost.publish({ lost: 1 })
      }
    },
    keyEventsOf(issuer) {
      const lineOf = createKeyEventWriter(issuer)
      return change => {
        if (!writer.write(lineOf(change))) channels.auditLost.publish({ lost: 1 })
      }
    },
    acceptsTokenEvents: () => audit.whenFull === 'count' || record.isAccepting(),
    begin() {
      inFlight += 1
    },
    accepts(route) {
      return (
        record.isAccepting() ||
        (audit.whenFull === 'count' && !(route.kind === 'protected' && route.privileged))
      )
    },
    write(event) {
      inFlight -= 1
      record.write(event)
    },
    reopen: () => writer.reopen(),
    close: () => record.close(),
  }
}
