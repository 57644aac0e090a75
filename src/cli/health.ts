import { parseArgs } from 'node:util'
import { createHttpClient, HttpClientError } from '../base/http-client.ts'
import type { Command } from './command.ts'

const defaultUrl = 'http://127.0.0.1:9090/livez'
const defaultTimeoutMs = 2_000

/**
 * `hopgate health [--url URL] [--timeout-ms N]`: asks a running Hopgate on its admin port how it is, for container
 * health checks where no shell and no other HTTP client is at hand. Exits 0 for a 2xx answer, 1 for any other or none.
 */
export const health: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write('Usage: hopgate health [--url http://HOST:PORT/PATH] [--timeout-ms MILLISECONDS]\n')
    return 2
  }
  const client = createHttpClient()
  try {
    const { status } = await client.send({ method: 'GET', maxBytes: 4096, ...options })
    output.stdout.write(`${options.url.href}: ${status}\n`)
    return status >= 200 && status < 300 ? 0 : 1
  } catch (cause) {
    if (!(cause instanceof HttpClientError)) throw cause
    output.stderr.write(`${cause.message}\n`)
    return 1
  } finally {
    await client.close()
  }
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
    const usable = url.protocol === 'http:' || url.protocol === 'https:'
    if (!usable || url.username !== '' || url.password !== '') return undefined
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 60_000) return undefined
    return { url, timeoutMs }
  } catch {
    return undefined
  }
}
