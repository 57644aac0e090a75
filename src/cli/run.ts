import { parseArgs } from 'node:util'
import { startSidecar } from '../assemble/sidecar.ts'
import { channels } from '../base/channels.ts'
import { createLog } from '../base/log.ts'
import { describeOutdatedNode, release } from '../base/release.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadSidecarConfig } from '../config/load.ts'
import { watchConfig } from '../config/watch.ts'
import type { Command } from './command.ts'

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
  const loaded = loadSidecarConfig(file)
  if (!loaded.ok) {
    output.stderr.write(formatProblems(loaded.error))
    return 1
  }
  const log = createLog(loaded.value.service)
  const outdated = describeOutdatedNode(process.versions.node)
  if (outdated !== undefined) log.warn(outdated)

  const sidecar = await startSidecar(loaded.value, { log }).catch((error: unknown) => {
    log.error('cannot start', { error })
    return undefined
  })
  if (sidecar === undefined) return 1
  log.info('listening', {
    version: release,
    url: sidecar.url,
    admin: sidecar.adminUrl,
    sts: loaded.value.sts?.issuer,
  })

  const reload = (): void => {
    const next = loadSidecarConfig(file)
    const rejected = next.ok ? sidecar.reload(next.value) : formatProblems(next.error).trim()
    channels.reload.publish({ outcome: rejected === undefined ? 'applied' : 'rejected' })
    if (rejected === undefined) {
      log.info('configuration applied', { file })
    } else {
      sidecar.rejectReload()
      log.error('configuration rejected, the last good one goes on', { file, problems: rejected.split('\n') })
    }
  }
  const watcher = watchConfig(file, reload)
  process.on('SIGHUP', () => {
    sidecar.reopenFiles()
    reload()
  })
  const signal = await terminationSignal()
  log.info('draining', { signal })
  watcher.close()
  await sidecar.close()
  log.info('stopped')
  return 0
}

function readConfigOption(args: string[]): string | undefined {
  try {
    const { values } = parseArgs({ args, options: { config: { type: 'string', short: 'c' } } })
    return values.config
  } catch {
    return undefined
  }
}

/** A second signal does not wait for the drain. */
function terminationSignal(): Promise<string> {
  return new Promise(resolve => {
    const onSignal = (signal: string): void => {
      process.once(signal, () => process.exit(1))
      resolve(signal)
    }
    process.once('SIGTERM', onSignal)
    process.once('SIGINT', onSignal)
  })
}
