import { startHub } from '../assemble/hub.ts'
import { createProcessLog } from '../base/log.ts'
import { describeOutdatedNode, release } from '../base/release.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadHubConfig } from '../config/load.ts'
import type { Command } from './command.ts'
import { readConfigOption } from './config-option.ts'
import { terminationSignal } from './termination-signal.ts'

/**
 * `hopgate hub --config FILE`: the hub, until SIGTERM or SIGINT, which let requests under way end. It says `ready`
 * with its addresses on standard error. SIGHUP opens the audit file again; the configuration changes with a restart.
 */
export const hub: Command = async (args, output) => {
  const file = readConfigOption(args)
  if (file === undefined) {
    output.stderr.write('Usage: hopgate hub --config FILE\n')
    return 2
  }
  const loaded = loadHubConfig(file)
  if (!loaded.ok) {
    output.stderr.write(formatProblems(loaded.error))
    return 1
  }
  const { issuer } = loaded.value.sts
  const log = createProcessLog('hub', line => output.stderr.write(line))
  const outdated = describeOutdatedNode(process.versions.node)
  if (outdated !== undefined) log.warn(outdated)

  const running = await startHub(loaded.value, { log }).catch((error: unknown) => {
    log.error('cannot start', { error })
    return undefined
  })
  if (running === undefined) return 1
  process.on('SIGHUP', () => running.reopenFiles())
  const terminated = terminationSignal()
  // Said when signals are listened to: whoever reads it may send one at once.
  log.info('ready', { version: release, url: running.url, admin: running.adminUrl, issuer })
  const signal = await terminated
  log.info('draining', { signal })
  await running.close()
  log.info('stopped')
  return 0
}
