import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { isListening } from './listening.ts'

/** One process of a contestant: how it is started, and where it then listens. */
export interface ServerProcess {
  readonly name: string
  /** The words of the command line; a path of a Node program comes after that of Node. */
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly port: number
}

export interface RunningProcess extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  /** From the start of the process until it took a connection. */
  readonly listenMs: number
}

const deadlineMs = 20_000
const graceMs = 3_000

/** What runs now: nothing outlives the benchmark, however it ends. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a program on one processor. Its standard output goes nowhere; its errors are told when it fails to start. */
export function spawnOn(
  cpu: number,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly child: ChildProcess; readonly pid: number; readonly errors: () => string } {
  const child = spawn('taskset', ['-c', String(cpu), ...command], {
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (child.pid === undefined) throw new Error('taskset does not start: install util-linux')
  running.add(child)
  child.once('exit', () => running.delete(child))
  let errors = ''
  child.stderr?.on('data', chunk => {
    errors = `${errors}${chunk}`.slice(-2_000)
  })
  return { child, pid: child.pid, errors: () => errors }
}

/** Starts a server on one processor and waits until it takes connections. Disposing of it ends it. */
export async function startProcess(server: ServerProcess, cpu: number): Promise<RunningProcess> {
  const startedMs = performance.now()
  const { child, pid, errors } = spawnOn(cpu, server.command, {
    ...server.env,
    PORT: String(server.port),
  })
  try {
    while (!(await isListening(server.port))) {
      if (hasEnded(child)) throw new Error(`${server.name} ended before it listened:\n${errors()}`)
      if (performance.now() > startedMs + deadlineMs) {
        throw new Error(`${server.name} does not listen on ${server.port}:\n${errors()}`)
      }
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  } catch (cause) {
    await endChild(child)
    throw cause
  }
  return {
    name: server.name,
    pid,
    listenMs: performance.now() - startedMs,
    [Symbol.asyncDispose]: () => endChild(child),
  }
}

/** Asks a process to end, then makes it. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await ended
  clearTimeout(killer)
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
