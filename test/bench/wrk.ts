import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** What wrk saw. */
export interface Load {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers other than 2xx and 3xx, and socket errors. */
  readonly errors: number
}

export interface LoadOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly seconds: number
  readonly cpu: number
}

/** Loads a URL with wrk, one thread, on one processor. */
export async function runWrk(options: LoadOptions): Promise<Load> {
  const fields = Object.entries(options.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const child = spawn('taskset', [
    ...[
      '-c',
      String(options.cpu),
      'wrk',
      '-t1',
      `-c${options.connections}`,
      `-d${options.seconds}s`,
      '--latency',
    ],
    ...fields,
    options.url,
  ])
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  await once(child, 'exit')
  return readOutput(output)
}

function readOutput(output: string): Load {
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
