import { findFreePort } from '../../../src/assemble/demo/ports.ts'
import { roomForTokens } from '../contestants/flatness.ts'
import { sidecarRow } from '../contestants/sidecar-row.ts'
import { contestantsCalled } from '../contestants.ts'
import { fillMemory } from '../fill-memory.ts'
import { runWrk } from '../generators/wrk.ts'
import { connectInspector, type Inspector, withInspector } from '../inspector.ts'
import type { Options } from '../options.ts'
import { readUsage } from '../process-usage.ts'
import type { Report } from '../report.ts'
import { fillSeconds, type RunningContestant, startContestant } from '../run-contestant.ts'
import type { Site } from '../site.ts'
import { formatNumber, formatTable } from '../table.ts'
import { verdict } from '../verdict.ts'

const mostHotMegabytes = 120
const mostBytesPerToken = 2_500

/** What a process holds. */
interface Memory {
  readonly rssBytes: number
  /** JavaScript objects and what they hold outside the heap, after a collection. */
  readonly retainedBytes: number
}

interface Growth {
  readonly before: Memory
  readonly after: Memory
  readonly tokens: number
}

/** Measures the memory of a hot sidecar, and how much more of it each further cached token takes. */
export async function measureMemory(site: Site, options: Options): Promise<Report> {
  const hotBytes = await measureHot(site, options)
  const { before, after, tokens } = await measureTokens(site, options)
  const perToken = (field: keyof Memory): number => (after[field] - before[field]) / tokens
  const rows = [
    ['RSS of a hot sidecar, MB', verdict(hotBytes / 2 ** 20, mostHotMegabytes, 0)],
    [
      `bytes of RSS for each of ${formatNumber(tokens)} further tokens`,
      verdict(perToken('rssBytes'), mostBytesPerToken, 0),
    ],
    ['bytes of retained objects for each of them', verdict(perToken('retainedBytes'), mostBytesPerToken, 0)],
  ]
  return {
    text: formatTable(rows.map(([memory = '', measured = '']) => ({ memory, measured }))),
    figures: { hotBytes, before, after, tokens },
  }
}

async function measureHot(site: Site, options: Options): Promise<number> {
  process.stderr.write('memory: hot\n')
  await using started = new AsyncDisposableStack()
  const [hot] = contestantsCalled(['hot'])
  if (hot === undefined) throw new Error('no contestant is hot')
  const running = await startContestant(site, hot, started, options)
  await running.warmUp(options.warmUpSeconds)
  await running.load(options.seconds)
  return running.counted.reduce((sum, { pid }) => sum + readUsage(pid).rssBytes, 0)
}

/** One token first, then so many others, all of which stay in memory. */
async function measureTokens(site: Site, options: Options): Promise<Growth> {
  const { connections, warmUpSeconds, tokens } = options
  process.stderr.write(`memory: ${tokens} tokens\n`)
  await using started = new AsyncDisposableStack()
  const inspectorPort = await findFreePort()
  const running = await startContestant(site, oneToken, started, {
    connections,
    alter: async server => withInspector(server, inspectorPort),
  })
  await running.warmUp(warmUpSeconds)
  const inspector = started.use(await connectInspector(inspectorPort))
  const before = await readMemory(inspector, running)
  const load = { ...running.setup.load, lines: await site.tokens.of(site.quickLogin, tokens) }
  const adminPort = running.setup.proof?.adminPort ?? 0
  let firstLine = 0
  await fillMemory({ adminPort, tokens: 1 + tokens }, async () => {
    const { requests } = await runWrk(load, {
      connections,
      seconds: fillSeconds,
      cpu: site.cpus.load,
      firstLine,
    })
    firstLine += requests
  })
  return { before, after: await readMemory(inspector, running), tokens }
}

const oneToken = sidecarRow({
  name: 'memory',
  title: 'hopgate, room for many tokens',
  source: 'memory',
  sections: () => roomForTokens,
})

/** Reads what a process holds after its garbage was collected. */
async function readMemory(inspector: Inspector, { counted }: RunningContestant): Promise<Memory> {
  // What the first collection finds finished is let go of by the second; pages go back a moment later.
  for (let collection = 0; collection < 2; collection++) {
    await inspector.send('HeapProfiler.collectGarbage')
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  const { result } = await inspector.send<{ readonly result: { readonly value: string } }>(
    'Runtime.evaluate',
    {
      expression: 'JSON.stringify(process.memoryUsage())',
    },
  )
  const { heapUsed, external } = JSON.parse(result.value) as NodeJS.MemoryUsage
  const { rssBytes } = readUsage(counted[0]?.pid ?? 0)
  return { rssBytes, retainedBytes: heapUsed + external }
}
