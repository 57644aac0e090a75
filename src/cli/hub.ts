import { startHub } from '../assemble/hub.ts'
import { channels } from '../base/channels.ts'
import { createProcessLog } from '../base/log.ts'
import { describeOutdatedNode, release } from '../base/release.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadHubConfig } from '../config/load.ts'
import { watchConfig } from '../config/watch.ts'
import { policyWarnings } from '../review/policy-warnings.ts'
import type { Command, CommandOutput } from './command.ts'
import { type ConfigChanges, collectChanges } from './config-changes.ts'
import { readConfigOption } from './config-option.ts'
import { terminationSignal } from './termination-signal.ts'

/**
 * `hopgate hub --config FILE`: the hub, until SIGTERM or SIGINT, which let requests under way end. It says `ready`
 * with its addresses on standard error. SIGHUP and a change of the file, or of the policy that it names, read the configuration
 * again; a bad one is reported and the last good one goes on.
 */
export const hub: Command = async (args, output) => {
  const file = readConfigOption(args)
  if (file === undefined) {
    output.stderr.write('Usage: hopgate hub --config FILE\n')
    return 2
  }
  // Watched before it is read: what changes while the hub starts is applied when it has started.
  const changes = collectChanges()
  const watcher = watchConfig(file, changes.notice)
  try {
    return await runHub(file, changes, output)
  } finally {
    watcher.close()
  }
}

async function runHub(file: string, changes: ConfigChanges, output: CommandOutput): Promise<number> {
  const loaded = loadHubConfig(file)
  if (!loaded.ok) {
    output.stderr.write(formatProblems(loaded.error))
    return 1
  }
  const { issuer, policy } = loaded.value.sts
  const log = createProcessLog('hub', line => output.stderr.write(line))
  const outdated = describeOutdatedNode(process.versions.node)
  if (outdated !== undefined) log.warn(outdated)
  for (const warning of policyWarnings(policy, loaded.value.sts)) log.warn('policy', { warning })

  const running = await startHub(loaded.value, { log }).catch((error: unknown) => {
    log.error('cannot start', { error })
    return undefined
  })
  if (running === undefined) return 1
  const reload = (): void => {
    const next = loadHubConfig(file)
    const rejected = next.ok ? running.reload(next.value) : formatProblems(next.error).trim()
    channels.reload.publish({ outcome: rejected === undefined ? 'applied' : 'rejected' })
    if (rejected === undefined) {
      log.info('configuration applied', { file })
    } else {
      running.rejectReload()
      log.error('configuration rejected, the last good one goes on', { file, problems: rejected.split('\n') })
    }
  }
  process.on('SIGHUP', () => {
    running.reopenFiles()
    reload()
  })
  const terminated = terminationSignal()
  // Said when signals are listened to: whoever reads it may send one at once.
  log.info('ready', {
    version: release,
    url: running.url,
    admin: running.adminUrl,
    issuer,
    policy: policy?.digest.slice(0, 12),
  })
  changes.handle(reload)
  const signal = await terminated
  log.info('draining', { signal })
  await running.close()
  log.info('stopped')
  return 0
}
