import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** What the kernel has accounted to a process and its children so far. */
export interface ProcessUsage {
  readonly cpuMicroseconds: number
  readonly rssBytes: number
}

/**
 * Reads the CPU time, user and system, and the resident memory of a process with all its threads and with all its
 * children, such as worker processes. Memory that processes share counts once for each.
 */
export function readUsage(pid: number): ProcessUsage {
  return childrenOf(pid).map(readUsage).reduce(add, readOne(pid))
}

/** CPU time of the threads that a process has now, by the scheduler's accounting, whose unit is the nanosecond. */
export function readThreadsCpu(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map(task =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1_000
}

/** User, system, and the same of children that have ended (proc(5), `stat`, fields 14 to 17). */
const timeFields = [11, 12, 13, 14]

function readOne(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command name may hold spaces and brackets: fields are counted from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = timeFields.reduce((sum, field) => sum + Number(fields[field]), 0)
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const rssKilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0)
  return { cpuMicroseconds: (ticks / ticksPerSecond) * 1e6, rssBytes: rssKilobytes * 1024 }
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap(task => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' '))
    .filter(text => text !== '')
    .map(Number)
}

function add(a: ProcessUsage, b: ProcessUsage): ProcessUsage {
  return { cpuMicroseconds: a.cpuMicroseconds + b.cpuMicroseconds, rssBytes: a.rssBytes + b.rssBytes }
}
