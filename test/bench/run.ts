import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { contestants } from './contestants.ts'
import { type Peer, startPeer } from './peer-process.ts'
import { readUsage } from './process-usage.ts'
import { median } from './statistics.ts'
import { startUpstream } from './upstream.ts'
import { type Load, runWrk } from './wrk.ts'

/**
 * Measures the CPU time that each peer takes for a request, by the kernel's accounting of its process: fresh processes
 * each round, the order turned round by round, the peer on one processor, load and upstream on the other. Ratios
 * within one run can be compared; absolute figures are this machine's.
 */
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '64' },
  },
})

interface Round extends Load {
  readonly cpuMicrosecondsPerRequest: number
  readonly rssMegabytes: number
  readonly readyMs: number
}

/** Until the compiler is done with every peer: more code takes longer, and compiling is not what is measured. */
const warmUpSeconds = 12
const peerCpu = 0
const loadCpu = cpus().length > 1 ? 1 : 0
const ports = { upstream: 18_100, first: 18_110 }

for (const program of ['wrk', 'nginx', 'taskset']) {
  if (spawnSync('which', [program]).status !== 0) {
    process.stderr.write(`bench: needs ${program}; on Debian: apt-get install wrk nginx util-linux\n`)
    process.exit(1)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'hopgate-bench-'))
const upstream = await startUpstream(folder, ports.upstream, loadCpu)
const rounds = new Map<string, Round[]>()
try {
  const { peers, headers } = await contestants(folder, ports)
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const peer of turned(peers, round)) {
      process.stderr.write(`round ${round + 1}: ${peer.name}\n`)
      rounds.set(peer.name, [...(rounds.get(peer.name) ?? []), await measure(peer, headers)])
    }
  }
  report(peers)
} finally {
  await upstream.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function measure(peer: Peer, headers: Readonly<Record<string, string>>): Promise<Round> {
  const running = await startPeer(peer, peerCpu)
  try {
    const load = {
      url: `http://127.0.0.1:${peer.port}/orders/17`,
      headers,
      connections: Number(values.connections),
      cpu: loadCpu,
    }
    await runWrk({ ...load, seconds: warmUpSeconds })
    const before = readUsage(running.pid)
    const result = await runWrk({ ...load, seconds: Number(values.seconds) })
    const after = readUsage(running.pid)
    return {
      ...result,
      cpuMicrosecondsPerRequest: (after.cpuMicroseconds - before.cpuMicroseconds) / result.requests,
      rssMegabytes: after.rssBytes / 2 ** 20,
      readyMs: running.readyMs,
    }
  } finally {
    await running.stop()
  }
}

function turned<T>(list: readonly T[], round: number): T[] {
  const start = round % list.length
  const order = [...list.slice(start), ...list.slice(0, start)]
  return round % 2 === 0 ? order : order.reverse()
}

function report(peers: readonly Peer[]): void {
  const rows = peers.map(peer => {
    const measured = rounds.get(peer.name) ?? []
    const of = (field: keyof Round): number => median(measured.map(round => round[field]))
    return {
      name: peer.name,
      cpuMicrosecondsPerRequest: of('cpuMicrosecondsPerRequest'),
      requestsPerSecond: of('requestsPerSecond'),
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
      rssMegabytes: of('rssMegabytes'),
      readyMs: of('readyMs'),
      errors: measured.reduce((sum, round) => sum + round.errors, 0),
    }
  })
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify({ rows, rounds: Object.fromEntries(rounds) })}\n`)
    return
  }
  const floor = rows[0]?.cpuMicrosecondsPerRequest ?? Number.NaN
  const table = rows.map(row => ({
    peer: row.name,
    'CPU µs/request': row.cpuMicrosecondsPerRequest.toFixed(1),
    '× floor': (row.cpuMicrosecondsPerRequest / floor).toFixed(2),
    'requests/s': row.requestsPerSecond.toFixed(0),
    'p50 ms': row.p50Ms.toFixed(2),
    'p99 ms': row.p99Ms.toFixed(2),
    'RSS MB': row.rssMegabytes.toFixed(0),
    'ready ms': row.readyMs.toFixed(0),
    errors: row.errors,
  }))
  process.stdout.write(`${formatTable(table)}\n`)
}

function formatTable(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const names = Object.keys(rows[0] ?? {})
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(names),
    line(names.map(() => '---')),
    ...rows.map(row => line(names.map(name => String(row[name])))),
  ].join('\n')
}
