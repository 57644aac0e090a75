import { get } from 'node:http'
import { parseArgs } from 'node:util'
import type { Command } from './command.ts'

const defaultUrl = 'http://127.0.0.1:9090/livez'
const defaultTimeoutMs = 2_000

/**
 * `hopgate health [--url URL] [--timeout-ms N]`: asks a running Hopgate on its admin port how it is, for container
 * health checks where no shell and no other HTTP client is at hand. Exits 0 for a 2xx answer, 1 for any other or none.
 *
 * It runs every few seconds beside every gate, so it loads nothing but what Node has built in.
 */
export const health: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write('Usage: hopgate health [--url http://HOST:PORT/PATH] [--timeout-ms MILLISECONDS]\n')
    return 2
  }
  const answer = await askStatus(options.url, options.timeoutMs)
  const isHealthy = typeof answer === 'number' && answer >= 200 && answer < 300
  const stream = isHealthy ? output.stdout : output.stderr
  stream.write(`${options.url.href}: ${answer}\n`)
  return isHealthy ? 0 : 1
}

/** The status of the answer, redirects not followed; or why there is none. */
function askStatus(url: URL, timeoutMs: number): Promise<number | string> {
  return new Promise(resolve => {
    const signal = AbortSignal.timeout(timeoutMs)
    const request = get(url, { agent: false, signal }, response => {
      resolve(response.statusCode ?? 'no status')
      response.destroy()
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      resolve(signal.aborted ? `no answer within ${timeoutMs} ms` : (error.code ?? 'the connection failed'))
    })
  })
}

function readOptions(args: string[]): { readonly url: URL; readonly timeoutMs: number } | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: { url: { type: 'string' }, 'timeout-ms': { type: 'string' } },
      allowPositionals: false,
    })
    const url = new URL(values.url ?? defaultUrl)
    const timeoutMs = Number(values['timeout-ms'] ?? defaultTimeoutMs)
    if (url.protocol !== 'http:' || url.username !== '' || url.password !== '') return undefined
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 60_000) return undefined
    return { url, timeoutMs }
  } catch {
    return undefined
  }
}
