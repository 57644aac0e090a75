import { parseArgs } from 'node:util'
import { runDemo } from '../assemble/demo/demo.ts'
import { reportJson } from '../assemble/demo/demo-report.ts'
import { createLog } from '../base/log.ts'
import type { Command } from './command.ts'

/**
 * `hopgate demo [--once] [--json]`: a login provider, a hub and three services with a gate before each, on this
 * machine alone. Shows what each service is handed and what is refused, then stays up until Ctrl-C; with `--once` it
 * ends. `--json` writes one document to standard output, and everything else to standard error.
 *
 * Exits 1 when something was not as it must be, and 130 when it was interrupted before it could show anything.
 */
export const demo: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write('Usage: hopgate demo [--once] [--json]\n')
    return 2
  }
  const people = options.json ? output.stderr : output.stdout
  const said: string[] = []
  const end = new AbortController()
  const stopListening = onTermination(() => end.abort())
  try {
    const outcome = await runDemo({
      once: options.once,
      signal: end.signal,
      // Hopgate's own log is of interest only when something goes wrong: refusals are part of the show.
      log: createLog('demo', line => said.push(line)),
      tell: line => people.write(`${line}\n`),
      ...(options.json && { show: report => output.stdout.write(`${reportJson(report)}\n`) }),
    })
    for (const sentence of outcome.wrong) output.stderr.write(`not as expected: ${sentence}\n`)
    if (outcome.wrong.length === 0) return 0
  } catch (error) {
    if (end.signal.aborted) return 130
    output.stderr.write(`hopgate: the demo failed: ${error instanceof Error ? error.message : 'unknown'}\n`)
  } finally {
    stopListening()
  }
  for (const line of said.slice(-20)) output.stderr.write(line)
  return 1
}

function readOptions(args: string[]): { readonly once: boolean; readonly json: boolean } | undefined {
  try {
    const { values } = parseArgs({ args, options: { once: { type: 'boolean' }, json: { type: 'boolean' } } })
    return { once: values.once ?? false, json: values.json ?? false }
  } catch {
    return undefined
  }
}

/** Calls `end` at the first signal; the second does not wait for the cleaning up. */
function onTermination(end: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  let isSecond = false
  const listener = () => {
    if (isSecond) process.exit(130)
    isSecond = true
    end()
  }
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
