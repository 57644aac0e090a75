import { availableParallelism } from 'node:os'
import { startSidecar } from '../assemble/sidecar.ts'
import { workerVariable } from '../assemble/workers/messages.ts'
import type { Primary } from '../assemble/workers/primary.ts'
import { channels } from '../base/channels.ts'
import { createProcessLog, type Log } from '../base/log.ts'
import { describeOutdatedNode, release } from '../base/release.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadSidecarSource, type SidecarSource } from '../config/load.ts'
import { watchConfig } from '../config/watch.ts'
import { policyWarnings } from '../review/policy-warnings.ts'
import type { Command, CommandOutput } from './command.ts'
import { type ConfigChanges, collectChanges } from './config-changes.ts'
import { readConfigOption } from './config-option.ts'
import { terminationSignal } from './termination-signal.ts'

/**
 * `hopgate run --config FILE`: the sidecar, until SIGTERM or SIGINT. SIGHUP and a change of the file read the
 * configuration again; a bad one is reported and the last good one goes on.
 */
export const run: Command = async (args, output) => {
  const file = readConfigOption(args)
  if (file === undefined) {
    output.stderr.write('Usage: hopgate run --config FILE\n')
    return 2
  }
  const worker = process.env[workerVariable]
  if (worker !== undefined && process.send !== undefined) {
    delete process.env[workerVariable]
    const { runWorker } = await import('../assemble/workers/worker.ts')
    const createLog = (service: string): Log => createProcessLog(service, line => output.stderr.write(line))
    await runWorker({ file, number: Number(worker), createLog })
    return 0
  }
  // Watched before it is read: what changes while the sidecar starts is applied when it has started.
  const changes = collectChanges()
  const watcher = watchConfig(file, changes.notice)
  try {
    return await runSidecar(file, changes, output)
  } finally {
    watcher.close()
  }
}

async function runSidecar(file: string, changes: ConfigChanges, output: CommandOutput): Promise<number> {
  const loaded = loadSidecarSource(file)
  if (!loaded.ok) {
    output.stderr.write(formatProblems(loaded.error))
    return 1
  }
  const { config } = loaded.value
  const log = createProcessLog(config.service, line => output.stderr.write(line))
  const outdated = describeOutdatedNode(process.versions.node)
  if (outdated !== undefined) log.warn(outdated)
  for (const warning of policyWarnings(config.policy, config)) log.warn('policy', { warning })

  const sidecar = await start(loaded.value, log).catch((error: unknown) => {
    log.error('cannot start', { error })
    return undefined
  })
  if (sidecar === undefined) return 1

  const readAgain = async (): Promise<void> => {
    const next = loadSidecarSource(file)
    const rejected = next.ok ? await sidecar.reload(next.value) : formatProblems(next.error).trim()
    channels.reload.publish({ outcome: rejected === undefined ? 'applied' : 'rejected' })
    if (rejected === undefined) {
      log.info('configuration applied', { file })
    } else {
      sidecar.rejectReload()
      log.error('configuration rejected, the last good one goes on', { file, problems: rejected.split('\n') })
    }
  }
  let reloading = Promise.resolve()
  const reload = (): void => {
    reloading = reloading.then(readAgain)
  }
  process.on('SIGHUP', () => {
    sidecar.reopenFiles()
    reload()
  })
  const terminated = terminationSignal()
  // Said when signals are listened to: whoever reads it may send one at once.
  const { url, adminUrl } = sidecar
  log.info('ready', {
    version: release,
    url,
    admin: adminUrl,
    sts: config.sts?.issuer,
    policy: config.policy?.digest.slice(0, 12),
  })
  changes.handle(reload)
  const signal = await terminated
  log.info('draining', { signal })
  await sidecar.close()
  log.info('stopped')
  return 0
}

/** A sidecar in one process or in several. */
type RunningSidecar = Omit<Primary, 'reload'> & {
  reload(source: SidecarSource): string | undefined | Promise<string | undefined>
}

async function start(source: SidecarSource, log: Log): Promise<RunningSidecar> {
  const { config } = source
  // What the process may use: its affinity, and the CPU limit of its cgroup.
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers
  if (workers > 1) {
    const { startPrimary } = await import('../assemble/workers/primary.ts')
    return startPrimary(source, { log, workers })
  }
  const sidecar = await startSidecar(config, { log })
  return { ...sidecar, reload: next => sidecar.reload(next.config) }
}
