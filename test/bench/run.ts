import { writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { type Contestant, reasonOf } from './contestant.ts'
import { contestantsCalled, contestantsOf } from './contestants.ts'
import { measureFlatness } from './measurements/flatness.ts'
import { measureLatency } from './measurements/latency.ts'
import { measureMemory } from './measurements/memory.ts'
import { profileContestant } from './measurements/profile.ts'
import { measureReady } from './measurements/ready.ts'
import { compareRequests } from './measurements/requests.ts'
import { type Options, readOptions, usage } from './options.ts'
import { describeMissing } from './programs.ts'
import type { Report } from './report.ts'
import { formatRequests } from './requests-report.ts'
import { openSite, type Site } from './site.ts'

/**
 * Compares what requests cost and measures what else was promised. Fresh processes, the measured on one processor,
 * load and upstream on the other. Ratios within one run can be compared; absolute figures are this machine's.
 */
const figures: Readonly<Record<string, Measure>> = {
  requests: comparison('requests'),
  latency: measureLatency,
  memory: measureMemory,
  ready: measureReady,
  flatness: measureFlatness,
  workers: comparison('workers'),
}

type Measure = (site: Site, options: Options) => Promise<Report>

const measurements: Readonly<Record<string, Measure>> = {
  ...figures,
  async all(site, options) {
    if (options.only.length > 0) throw new Error('all measures everything: --only is for one measurement')
    const reports = new Map<string, Report>()
    const startedMs = performance.now()
    for (const [name, measure] of Object.entries(figures)) {
      const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1)
      process.stderr.write(`${name}: starts after ${minutes} minutes\n`)
      const report = await measure(site, options).catch(failedReport)
      reports.set(name, report)
      // Told at once as well: whoever interrupts a long run has what it found so far.
      process.stderr.write(`${report.text}\n`)
    }
    return {
      text: [...reports].map(([name, { text }]) => `## ${name}\n\n${text}`).join('\n\n'),
      figures: Object.fromEntries([...reports].map(([name, report]) => [name, report.figures])),
    }
  },
  async profile(site, options) {
    const texts: string[] = []
    for (const contestant of contestantsCalled(options.only.length === 0 ? ['hot'] : options.only)) {
      texts.push(...(await profileContestant(site, contestant, options)))
    }
    return { text: texts.join('\n\n'), figures: undefined }
  },
}

/** A measurement that fails must not cost what the others found. */
function failedReport(cause: unknown): Report {
  process.exitCode = 1
  return { text: reasonOf(cause), figures: { failed: reasonOf(cause) } }
}

function comparison(measurement: Contestant['measurement']) {
  return async (site: Site, options: Options): Promise<Report> => {
    const { only } = options
    const contestants = only.length === 0 ? contestantsOf(measurement) : contestantsCalled(only)
    const figures = await compareRequests(site, options, contestants)
    return { text: formatRequests(figures), figures }
  }
}

/** Other work at this load, in the last minute, is seen in the figures. */
const busyLoad = 0.5

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

if (process.argv.includes('--help')) {
  process.stdout.write(usage)
  process.exit()
}
try {
  const options = readOptions(process.argv.slice(2))
  const measure = measurements[options.measurement]
  if (measure === undefined) throw new Error(`no measurement is called ${options.measurement}\n\n${usage}`)
  const missing = describeMissing(['wrk', 'nginx', 'taskset'])
  if (missing !== undefined) throw new Error(missing)
  const loadBefore = loadavg()[0] ?? 0
  if (loadBefore > busyLoad) {
    process.stderr.write(`bench: the machine is busy (load ${loadBefore.toFixed(1)}): expect noise\n`)
  }
  await using site = await openSite(options)
  const { text, figures } = await measure(site, options)
  if (options.json !== '-') process.stdout.write(`${text}\n`)
  if (options.json !== undefined) {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), loadBefore }
    const json = `${JSON.stringify({ at: new Date(), node: process.version, machine, options, figures })}\n`
    if (options.json === '-') process.stdout.write(json)
    else writeFileSync(options.json, json)
  }
} catch (cause) {
  process.stderr.write(`bench: ${cause instanceof Error ? cause.message : cause}\n`)
  process.exitCode = 1
}
