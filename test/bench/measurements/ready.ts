import { startBenchRedis } from '../bench-redis.ts'
import { type PreparedProcess, prepareHub, prepareSidecar } from '../hopgate-config.ts'
import { isListening } from '../listening.ts'
import type { Options } from '../options.ts'
import { readThreadsCpu } from '../process-usage.ts'
import type { Report } from '../report.ts'
import { endChild, hasEnded, spawnOn, startProcess } from '../server-process.ts'
import type { Site } from '../site.ts'
import { median } from '../statistics.ts'
import { formatNumber, formatTable } from '../table.ts'
import { verdict } from '../verdict.ts'

const starts = 10
const mostReadyMs = 300
const deadlineMs = 20_000

/** One start. CPU time is the steadier figure on a busy machine. */
interface Start {
  readonly configuration: string
  readonly listenMs: number
  readonly readyMs: number
  readonly cpuMs: number
}

type Prepare = (site: Site, started: AsyncDisposableStack) => Promise<PreparedProcess>

const configurations: Readonly<Record<string, Prepare>> = {
  'token service inside, no Redis': prepareSidecar,
  async 'hub and Redis'(site, started) {
    const redis = await startBenchRedis(site, started)
    const hub = await prepareHub(site, started)
    started.use(await startProcess(hub.process, site.cpus.load))
    return prepareSidecar(site, started, { exchange: hub.exchange, cache: { redis } })
  },
}

/** Measures how long a sidecar takes from the start of its process until it takes connections and says that it is ready. */
export async function measureReady(site: Site, _options: Options): Promise<Report> {
  await using started = new AsyncDisposableStack()
  const prepared = new Map<string, PreparedProcess>()
  for (const [name, prepare] of Object.entries(configurations))
    prepared.set(name, await prepare(site, started))
  const measured: Start[] = []
  // The first one fills the caches of the file system.
  for (let start = 0; start <= starts; start++) {
    for (const [configuration, sidecar] of prepared) {
      process.stderr.write(`start ${start}: ${configuration}\n`)
      const times = await measureStart(sidecar, site.cpus.peer)
      if (start > 0) measured.push({ configuration, ...times })
    }
  }
  const rows = Object.keys(configurations).map(configuration => {
    const own = measured.filter(start => start.configuration === configuration)
    const of = (field: 'listenMs' | 'readyMs' | 'cpuMs') => median(own.map(start => start[field]))
    return {
      [`start, median of ${starts}`]: configuration,
      'takes connections after, ms': formatNumber(of('listenMs')),
      'ready after, ms': verdict(of('readyMs'), mostReadyMs, 0),
      'CPU ms until then': formatNumber(of('cpuMs')),
    }
  })
  return { text: formatTable(rows), figures: measured }
}

async function measureStart(
  { process: server, adminPort }: PreparedProcess,
  cpu: number,
): Promise<Omit<Start, 'configuration'>> {
  const startedMs = performance.now()
  const { child, pid, errors } = spawnOn(cpu, server.command)
  const until = async (holds: () => Promise<boolean>): Promise<number> => {
    while (!(await holds())) {
      if (hasEnded(child) || performance.now() > startedMs + deadlineMs)
        throw new Error(`no start:\n${errors()}`)
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    return performance.now() - startedMs
  }
  try {
    const listenMs = await until(() => isListening(server.port))
    const readyMs = await until(() => isReady(adminPort))
    return { listenMs, readyMs, cpuMs: readThreadsCpu(pid) / 1_000 }
  } finally {
    await endChild(child)
  }
}

async function isReady(adminPort: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
    await response.text()
    return response.ok
  } catch {
    return false
  }
}
