import { join } from 'node:path'
import { type Load, type LoadOptions, type LoadResult, runGenerator } from './load.ts'

const script = join(import.meta.dirname, 'load.lua')

/** Loads a URL over HTTP/1.1 with wrk, one thread: each connection sends its next request as soon as it is answered. */
export async function runWrk(load: Load, options: LoadOptions): Promise<LoadResult> {
  const { url, method = 'GET', headers = {}, bodyBytes = 0, lines } = load
  const { connections, seconds, cpu, firstLine = 0 } = options
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const amount = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s']
  const words = [method, String(bodyBytes), ...(lines === undefined ? [] : [lines, String(firstLine)])]
  const output = await runGenerator(cpu, ['wrk', ...amount, ...fields, '-s', script, url, '--', ...words])
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
