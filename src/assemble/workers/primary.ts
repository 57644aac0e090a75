import { channels } from '../../base/channels.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { relayLines } from '../../base/relay-lines.ts'
import { TaskCount } from '../../base/task-count.ts'
import type { SidecarSource } from '../../config/load.ts'
import { createAuditWriter } from '../../hop/record/audit-writer.ts'
import { MergedMetrics, primary } from '../../hop/record/metrics-merge.ts'
import { type Readiness, startAdminServer } from '../admin-server.ts'
import { findFixedChange } from '../fixed-at-start.ts'
import { assembleRecord } from '../record.ts'
import type { Sidecar } from '../sidecar.ts'
import { urlOf } from '../url-of.ts'
import { AdminTokenService } from './admin-token-service.ts'
import type { WorkerSettings } from './messages.ts'
import { createSpawnWorker, type SpawnWorker } from './worker-process.ts'
import { WorkerSet } from './worker-set.ts'

/** A sidecar of several processes. */
export interface Primary extends Omit<Sidecar, 'reload'> {
  /** As {@link Sidecar.reload}, for every process or none. Not to be called again before it has answered. */
  reload(source: SidecarSource): Promise<string | undefined>
}

export interface PrimaryDependencies {
  readonly log: Log
  readonly workers: number
  readonly clock?: Clock
  readonly spawn?: SpawnWorker
}

/** What a worker may need beyond the grace for requests: to close connections and to hand over its last events. */
const closeMs = 10_000
/** How long lines that workers have handed over may wait for a stalled audit trail at the end. */
const relayTimeoutMs = 3_000
const auditCheckMs = 50

/**
 * Starts the process that leads the workers of a sidecar. The workers take the requests; this one starts and replaces
 * them, has the admin address with the embedded token service, and is the only one that writes the audit trail.
 * Rejects when it or a worker cannot start; nothing is left running then.
 */
export async function startPrimary(source: SidecarSource, deps: PrimaryDependencies): Promise<Primary> {
  const { log, workers: count, clock = systemClock, spawn = createSpawnWorker() } = deps
  const { config } = source
  await using started = new AsyncDisposableStack()
  const writer = createAuditWriter({ file: config.audit.file, queue: config.audit.queue, log })
  const record = assembleRecord(config, {
    log,
    auditWriter: writer,
    worker: primary,
    workers: () => workers.listening,
  })
  started.defer(() => record.close())
  let running = source
  const tokenService = new AdminTokenService(config, { clock, log, record }, () => void handOverKeys())
  started.defer(() => tokenService.close())

  const merged = new MergedMetrics()
  const relays = new TaskCount()
  const givingUp = new AbortController()
  const settingsOf = ({ config: { sts }, texts }: SidecarSource): WorkerSettings => ({
    texts,
    signingKeys: sts && tokenService.keysFor(sts),
  })
  const workers = new WorkerSet({
    count,
    spawn,
    log,
    clock,
    settings: settingsOf(source),
    isAuditAccepting: writer.isAccepting(),
    onMetrics: (worker, text) => merged.update(worker, text),
    onEnded: worker => merged.retire(worker),
    onOutput: output =>
      void relays.add(
        relayLines(output, writer, givingUp.signal).then(lost => {
          if (lost === 0) return
          log.error('audit events of a worker lost', { count: lost })
          channels.auditLost.publish({ lost })
        }),
      ),
  })

  /** What workers run with is changed by one at a time. */
  let changing: Promise<unknown> = Promise.resolve()
  const changeAlone = <T>(change: () => Promise<T>): Promise<T> => {
    const changed = changing.then(change)
    changing = changed.catch(() => {})
    return changed
  }
  const handOverKeys = async (): Promise<void> => {
    const rejected = await changeAlone(() => workers.reload(settingsOf(running)))
    if (rejected !== undefined) log.error('workers go on with the signing keys before', { reason: rejected })
  }

  let isDraining = false
  let isReloadRejected = false
  const isReady = (): Readiness => {
    const { ready, reasons } = workers.readiness
    return {
      ready: ready && !isDraining,
      reasons: [
        ...reasons,
        ...(isDraining ? ['draining'] : []),
        ...(isReloadRejected ? ['configuration: the last reload was rejected'] : []),
      ],
    }
  }
  const admin = await startAdminServer(config.admin, {
    log,
    metrics: {
      contentType: record.metrics.contentType,
      async metricsText() {
        await workers.askMetrics()
        merged.update(primary, await record.metrics.metricsText())
        return merged.text()
      },
    },
    isReady,
    handlers: [request => tokenService.handle(request)],
  })
  started.defer(() => admin.close())
  let isAuditAccepting = writer.isAccepting()
  const auditCheck = setInterval(() => {
    if (writer.isAccepting() === isAuditAccepting) return
    isAuditAccepting = !isAuditAccepting
    workers.tellAudit(isAuditAccepting)
  }, auditCheckMs)
  started.defer(async () => {
    await workers.drain(config.timeouts.drainMs + closeMs)
    clearInterval(auditCheck)
    const timer = setTimeout(() => givingUp.abort(), relayTimeoutMs)
    await relays.idle()
    clearTimeout(timer)
  })
  const url = await workers.start()
  void tokenService.warm()

  const parts = started.move()
  let closing: Promise<void> | undefined
  return {
    url,
    adminUrl: urlOf(admin.address),
    async reload(next) {
      const fixed = findFixedChange(config, next.config)
      if (fixed !== undefined) return fixed
      if (isDraining) return 'the sidecar is stopping'
      const rejected = await changeAlone(() =>
        tokenService.replace(next.config, async () => workers.reload(settingsOf(next))),
      )
      if (rejected !== undefined) return rejected
      running = next
      isReloadRejected = false
      return undefined
    },
    rejectReload() {
      isReloadRejected = true
    },
    reopenFiles: () => record.reopen(),
    close() {
      isDraining = true
      closing ??= parts.disposeAsync()
      return closing
    },
  }
}
