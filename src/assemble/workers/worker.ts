import { isDeepStrictEqual } from 'node:util'
import { systemClock } from '../../base/clock.ts'
import type { LineWriter } from '../../base/line-writer.ts'
import { type Log, withFields } from '../../base/log.ts'
import { formatProblems } from '../../config/config-problem.ts'
import { readKeptTexts } from '../../config/config-texts.ts'
import { loadSidecarConfig } from '../../config/load.ts'
import type { SidecarConfig } from '../../config/sidecar-config.ts'
import { createAuditWriter } from '../../hop/record/audit-writer.ts'
import type { AdminOptions } from '../admin-server.ts'
import { type Sidecar, startSidecar } from '../sidecar.ts'
import { HandedKeys } from './handed-keys.ts'
import type { FromWorker, ToWorker, WorkerSettings, WorkerStart } from './messages.ts'

export interface WorkerOptions {
  /** The file of the configuration; it is not read, the primary hands over what it has read. */
  readonly file: string
  /** Counted from 1. */
  readonly number: number
  readonly createLog: (service: string) => Log
}

const readinessCheckMs = 100

/**
 * Runs one worker until the primary tells it to end: the data plane of the sidecar, without an admin address. Signals
 * are the primary's; a worker whose primary is gone ends at once, and nothing passes unrecorded.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  // Ctrl-C and a service manager's SIGTERM reach every process of a group; the primary says what is to be done.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const started = Promise.withResolvers<WorkerStart>()
  const drained = Promise.withResolvers<void>()
  let worker: RunningWorker | undefined
  let isAuditAccepting = true
  const reload = (settings: WorkerSettings): string | undefined =>
    worker === undefined ? 'the worker is starting' : worker.reload(settings)
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'start':
        isAuditAccepting = message.isAuditAccepting
        return started.resolve(message)
      case 'audit':
        isAuditAccepting = message.isAccepting
        return
      case 'drain':
        return drained.resolve()
      case 'reload':
        return void tell({ kind: 'reloaded', id: message.id, rejected: reload(message.settings) })
      case 'metrics':
        return void worker?.metricsText().then(text => tell({ kind: 'metrics', id: message.id, text }))
    }
  })
  void tell({ kind: 'hello' })
  const start = await Promise.race([started.promise, drained.promise])
  if (start !== undefined) {
    worker = await startWorker(start, options, () => isAuditAccepting).catch(async (cause: unknown) => {
      await tell({ kind: 'refused', reason: cause instanceof Error ? cause.message : 'it cannot start' })
      return undefined
    })
  }
  if (worker !== undefined) {
    void tell({ kind: 'listening', url: worker.url })
    await drained.promise
    await tell({ kind: 'drained', metrics: await worker.drain() })
  }
  // Without the channel nothing keeps the process alive.
  process.disconnect?.()
}

interface RunningWorker {
  readonly url: string
  reload(settings: WorkerSettings): string | undefined
  metricsText(): Promise<string>
  /** @returns the last metrics */
  drain(): Promise<string>
}

async function startWorker(
  { settings, workers }: WorkerStart,
  { file, number, createLog }: WorkerOptions,
  isAuditAccepting: () => boolean,
): Promise<RunningWorker> {
  const config = readSettings(file, settings)
  const log = withFields(createLog(config.service), { worker: number })
  const keys = new HandedKeys(systemClock)
  takeKeys(keys, config, settings)
  let admin: AdminOptions | undefined
  const sidecar: Sidecar = await startSidecar(config, {
    log,
    worker: number,
    processes: workers,
    auditWriter: createWorkerAudit(config.audit.queue, log, isAuditAccepting),
    signerOf: sts => ({ signer: keys.signerOf(sts.keys), close() {} }),
    async startAdmin(address, options) {
      admin = options
      return { address, close: async () => {} }
    },
  })
  const metricsText = async (): Promise<string> => (await admin?.metrics.metricsText()) ?? ''
  const stopTelling = tellReadiness(() => admin?.isReady() ?? { ready: false, reasons: [] })
  return {
    url: sidecar.url,
    reload(next) {
      try {
        const nextConfig = readSettings(file, next)
        const takeBack = takeKeys(keys, nextConfig, next)
        const rejected = sidecar.reload(nextConfig)
        if (rejected !== undefined) takeBack()
        return rejected
      } catch (cause) {
        return cause instanceof Error ? cause.message : 'it cannot be read'
      }
    },
    metricsText,
    async drain() {
      await sidecar.close()
      stopTelling()
      return metricsText()
    },
  }
}

function takeKeys(keys: HandedKeys, { sts }: SidecarConfig, { signingKeys }: WorkerSettings): () => void {
  return sts === undefined || signingKeys === undefined ? () => {} : keys.take(sts.keys, signingKeys)
}

function readSettings(file: string, { texts }: WorkerSettings): SidecarConfig {
  const loaded = loadSidecarConfig(file, process.env, readKeptTexts(texts))
  if (!loaded.ok) throw new Error(formatProblems(loaded.error).trim())
  return loaded.value
}

/**
 * A worker's audit trail is its standard output, which is a pipe to the primary: so lines of several processes are not
 * mixed, and the file has one writer. While the primary cannot write, the worker must not accept more than it may lose.
 */
function createWorkerAudit(queue: number, log: Log, isPrimaryAccepting: () => boolean): LineWriter {
  const writer = createAuditWriter({ queue, log })
  return {
    write: line => writer.write(line),
    isAccepting: () => isPrimaryAccepting() && writer.isAccepting(),
    reopen() {},
    close: () => writer.close(),
  }
}

function tellReadiness(isReady: AdminOptions['isReady']): () => void {
  let told: unknown
  const look = (): void => {
    const readiness = isReady()
    if (isDeepStrictEqual(readiness, told)) return
    told = readiness
    void tell({ kind: 'readiness', readiness })
  }
  look()
  const timer = setInterval(look, readinessCheckMs)
  return () => clearInterval(timer)
}

/** Resolves when it is written. What cannot be said because the primary is gone matters to nobody. */
function tell(message: FromWorker): Promise<void> {
  return new Promise(resolve => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, () => resolve())
  })
}
