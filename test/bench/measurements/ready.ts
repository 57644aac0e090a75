import { startBenchRedis } from '../bench-redis.ts'
import { type PreparedProcess, prepareHub, prepareSidecar } from '../hopgate-config.ts'
import { isListening } from '../listening.ts'
import type { Options } from '../options.ts'
import { readThreadsCpu } from '../process-usage.ts'
import type { Report } from '../report.ts'
import { endChild, hasEnded, spawnOn, startProcess } from '../server-process.ts'
import type { Site } from '../site.ts'
import { median, turned } from '../statistics.ts'
import { formatNumber, formatTable } from '../table.ts'
import { verdict } from '../verdict.ts'

const starts = 10
const mostReadyMs = 300
const deadlineMs = 20_000

/** One start. CPU time is the steadier figure on a busy machine. */
interface Start {
  /** The configuration and, where several are compared, the executable. */
  readonly start: string
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
export async function measureReady(site: Site, { entries }: Options): Promise<Report> {
  await using started = new AsyncDisposableStack()
  const prepared = new Map<string, PreparedProcess>()
  for (const [configuration, prepare] of Object.entries(configurations)) {
    for (const entry of entries) {
      const name = entries.length === 1 ? configuration : `${configuration}: ${entry}`
      prepared.set(name, await prepare({ ...site, entry }, started))
    }
  }
  const measured: Start[] = []
  // The first one fills the caches of the file system.
  for (let round = 0; round <= starts; round++) {
    for (const [start, sidecar] of turned([...prepared], round)) {
      process.stderr.write(`start ${round}: ${start}\n`)
      const times = await measureStart(sidecar, site.cpus.peer)
      if (round > 0) measured.push({ start, ...times })
    }
  }
  const rows = [...prepared.keys()].map(name => {
    const own = measured.filter(({ start }) => start === name)
    const of = (field: 'listenMs' | 'readyMs' | 'cpuMs') => median(own.map(start => start[field]))
    return {
      [`start, median of ${starts}`]: name,
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
): Promise<Omit<Start, 'start'>> {
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
