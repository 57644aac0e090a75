import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** What a generator sends, again and again. */
export interface Load {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly bodyBytes?: number
  /** A file of lines `PATH TOKEN`, which are sent in turn. */
  readonly lines?: string
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

const script = join(import.meta.dirname, 'load.lua')

/** Loads a URL with wrk, one thread, on one processor. */
export async function runWrk(load: Load, options: LoadOptions): Promise<LoadResult> {
  const { url, method = 'GET', headers = {}, bodyBytes = 0, lines } = load
  const { connections, seconds, cpu, firstLine = 0 } = options
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const amount = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s']
  const scriptArguments = [
    method,
    String(bodyBytes),
    ...(lines === undefined ? [] : [lines, String(firstLine)]),
  ]
  const child = spawn('taskset', [
    ...['-c', String(cpu), 'wrk', ...amount, ...fields],
    ...['-s', script, url, '--', ...scriptArguments],
  ])
  const kill = (): void => {
    child.kill('SIGKILL')
  }
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
  const result = readOutput(output)
  if (result.requests === 0) throw new Error(`wrk had no answer from ${url}:\n${output}`)
  return result
}

function readOutput(output: string): LoadResult {
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0)
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)
  return {
    requests: number(/(\d+) requests in/),
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds(/^\s+50%\s+(\S+)/m.exec(output)?.[1]),
    p99Ms: milliseconds(/^\s+99%\s+(\S+)/m.exec(output)?.[1]),
    errors:
      number(/Non-2xx or 3xx responses: (\d+)/) +
      (socketErrors?.slice(1).reduce((sum, count) => sum + Number(count), 0) ?? 0),
  }
}

function milliseconds(text: string | undefined): number {
  const value = Number.parseFloat(text ?? 'NaN')
  if (text?.endsWith('us') === true) return value / 1_000
  return text?.endsWith('ms') === true ? value : value * 1_000
}
