import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** What a generator sends, again and again. */
export interface Load {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly bodyBytes?: number
  /** A file of lines `PATH TOKEN`, which are sent in turn. */
  readonly lines?: string
  /** Unary calls over HTTP/2 instead of HTTP/1.1, with a message of `bodyBytes` each way. */
  readonly isGrpc?: boolean
}

/** What a generator saw. */
export interface LoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers other than 2xx and 3xx, and socket errors. */
  readonly errors: number
}

export interface LoadOptions {
  readonly connections: number
  readonly seconds: number
  readonly cpu: number
  /** The first of the load's lines to send. */
  readonly firstLine?: number
}

/**
 * Runs a generator on one processor to its end.
 *
 * @returns everything that it said
 */
export async function runGenerator(cpu: number, command: readonly string[]): Promise<string> {
  const child = spawn('taskset', ['-c', String(cpu), ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): void => killChild(child)
  process.once('exit', kill)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      output += chunk
    })
  }
  // 'close' comes after the last of the output, 'exit' may come before.
  await once(child, 'close')
  process.off('exit', kill)
  return output
}

function killChild(child: ChildProcess): void {
  child.kill('SIGKILL')
}
