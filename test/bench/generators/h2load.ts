import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { grpcMessage } from '../grpc-message.ts'
import { percentile } from '../statistics.ts'
import { type Load, type LoadOptions, type LoadResult, runGenerator } from './load.ts'

/** Streams at the same time on each connection: the requests under way are as many as over HTTP/1.1. */
const streams = 8

/** Makes unary gRPC calls over HTTP/2 with h2load, one thread. */
export async function runH2load(load: Load, options: LoadOptions): Promise<LoadResult> {
  const { url, headers = {}, bodyBytes = 0 } = load
  const { connections, seconds, cpu } = options
  const folder = mkdtempSync(join(tmpdir(), 'hopgate-h2load-'))
  try {
    const [body, log] = [join(folder, 'message'), join(folder, 'log')]
    const message = grpcMessage(bodyBytes)
    writeFileSync(body, message)
    const fields = Object.entries({ ...headers, 'content-type': 'application/grpc', te: 'trailers' })
    const output = await runGenerator(cpu, [
      ...['h2load', '-t1', `-c${Math.ceil(connections / streams)}`, `-m${streams}`, `-D${seconds}`],
      ...fields.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
      ...['-d', body, '--log-file', log, url],
    ])
    return readOutput(output, readFileSync(log, 'utf8'), seconds, message.length)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * Reads what h2load says at its end.
 *
 * `succeeded` and `failed` are about the streams that were closed. `status codes` and `data` are not: they count what
 * came on the streams that were still open at the end too, and so are no measure of what failed.
 *
 * @param log a line for each request: start, status and duration, times in microseconds
 * @param answerBytes the size of the message that each call is answered with
 */
export function readOutput(output: string, log: string, seconds: number, answerBytes: number): LoadResult {
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0)
  const requests = number(/, (\d+) done,/)
  if (requests === 0) throw new Error('h2load had no answer over HTTP/2')
  const durations = log
    .trimEnd()
    .split('\n')
    .map(line => Number(line.split('\t')[2]) / 1_000)
    .toSorted((a, b) => a - b)
  // A call that was refused is answered 200 as well, but without a message. Messages on streams that were open at the
  // end hide as many of these as there were such streams, at most.
  const messages = Math.floor(number(/\((\d+)\) data/) / answerBytes)
  const withoutMessage = Math.max(0, number(/, (\d+) succeeded,/) - messages)
  return {
    requests,
    requestsPerSecond: requests / seconds,
    p50Ms: percentile(durations, 0.5),
    p99Ms: percentile(durations, 0.99),
    // Other statuses than 2xx and 3xx, streams that were reset, and connections that were lost.
    errors: number(/, (\d+) failed,/) + withoutMessage,
  }
}
