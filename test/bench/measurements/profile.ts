import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../../src/assemble/demo/ports.ts'
import type { Contestant } from '../contestant.ts'
import { type CpuProfile, type SelfTime, selfTimesByFunction, selfTimesByHome } from '../cpu-profile.ts'
import { connectInspector, type Inspector, withInspector } from '../inspector.ts'
import type { Options } from '../options.ts'
import { startContestant } from '../run-contestant.ts'
import type { Site } from '../site.ts'
import { formatNumber, formatTable } from '../table.ts'

/** The rows of the two tables. */
const functions = 25
const homes = 15
const samplingMicroseconds = 200

/**
 * Loads one contestant and says in which functions each of its Node processes then spends its time. The profiler runs
 * in the measured time alone: neither the start nor the compiler's work of the warm-up is in it.
 */
export async function profileContestant(
  site: Site,
  contestant: Contestant,
  options: Options,
): Promise<readonly string[]> {
  await using started = new AsyncDisposableStack()
  const ports = new Map<string, number>()
  const running = await startContestant(site, contestant, started, {
    connections: options.connections,
    async alter(server) {
      if (server.command[0] !== process.execPath) return server
      const port = await findFreePort()
      ports.set(server.name, port)
      return withInspector(server, port)
    },
  })
  if (ports.size === 0) return [`${contestant.name} is no Node program: it cannot be profiled`]
  await running.warmUp(options.warmUpSeconds)
  const inspectors = new Map<string, Inspector>()
  for (const [name, port] of ports) inspectors.set(name, started.use(await connectInspector(port)))
  for (const inspector of inspectors.values()) {
    await inspector.send('Profiler.enable')
    await inspector.send('Profiler.setSamplingInterval', { interval: samplingMicroseconds })
    await inspector.send('Profiler.start')
  }
  const { requests } = await running.load(options.seconds)
  const texts: string[] = []
  for (const [name, inspector] of inspectors) {
    const { profile } = await inspector.send<{ readonly profile: CpuProfile }>('Profiler.stop')
    if (options.cpuProfiles !== undefined) {
      const file = join(options.cpuProfiles, `${contestant.name}-${name}.cpuprofile`)
      writeFileSync(file, JSON.stringify(profile))
    }
    texts.push(
      `${contestant.title}: process ${name}, ${requests} requests`,
      describe(selfTimesByFunction(profile), functions, requests),
      describe(selfTimesByHome(profile), homes, requests),
    )
  }
  return texts
}

function describe(times: readonly SelfTime[], rows: number, requests: number): string {
  const total = times.reduce((sum, { microseconds }) => sum + microseconds, 0)
  const shown = times.slice(0, rows)
  const rest = times.slice(rows).reduce((sum, { microseconds }) => sum + microseconds, 0)
  if (rest > 0) shown.push({ place: `${times.length - rows} others`, microseconds: rest })
  const row = ({ place, microseconds }: SelfTime) => ({
    'µs/request': formatNumber(microseconds / requests, 2),
    '%': formatNumber((100 * microseconds) / total, 1),
    'time of its own in': place,
  })
  return formatTable([...shown.map(row), row({ place: 'together', microseconds: total })])
}
