import cluster from 'node:cluster'
import type { Readable } from 'node:stream'
import { type FromWorker, type ToWorker, workerVariable } from './messages.ts'

/** A worker as the primary holds it. */
export interface WorkerProcess {
  readonly pid: number | undefined
  /** Its audit lines. */
  readonly output: Readable | undefined
  /** What is said to one that has ended is lost. */
  send(message: ToWorker): void
  /** Ends it at once. */
  kill(): void
}

/** What a worker says, and that it has ended: the last call. */
export interface WorkerListener {
  onMessage(message: FromWorker): void
  /** @param how its exit code or signal, in words */
  onEnded(how: string): void
}

/** Starts a worker. */
export type SpawnWorker = (worker: number, listener: WorkerListener) => WorkerProcess

/** A worker whose channel is closed has nothing to do any more; it has this long to see that. */
const endTimeoutMs = 5_000

/**
 * Prepares {@link SpawnWorker}: workers are this same command. They share one listening socket, of which the primary
 * keeps a copy and from which each takes connections by itself (docs/adr/0008).
 *
 * @throws Error in a process that is itself a worker of some cluster
 */
export function createSpawnWorker(): SpawnWorker {
  if (!cluster.isPrimary) throw new Error('workers: this process is itself a worker of another program')
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  return (number, listener) => {
    const worker = cluster.fork({ [workerVariable]: `${number}` })
    const child = worker.process
    let how: string | undefined
    let isConnected = true
    let isOver = false
    let timer: NodeJS.Timeout | undefined
    const end = (): void => {
      // What it said last may arrive after the news of its exit.
      if (isOver || how === undefined || isConnected) return
      isOver = true
      listener.onEnded(how)
    }
    worker.on('message', (message: FromWorker) => listener.onMessage(message))
    worker.on('disconnect', () => {
      isConnected = false
      if (how === undefined) timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs)
      end()
    })
    worker.on('exit', (code, signal) => {
      clearTimeout(timer)
      how = signal ?? `exit code ${code}`
      end()
    })
    worker.on('error', error => {
      if (child.pid !== undefined) return
      how = error.message
      isConnected = false
      end()
    })
    return {
      pid: child.pid,
      output: child.stdout ?? undefined,
      send(message) {
        if (worker.isConnected()) child.send(message, () => {})
      },
      kill: () => {
        child.kill('SIGKILL')
      },
    }
  }
}
