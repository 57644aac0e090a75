import { join } from 'node:path'
import { type Load, runGenerator } from './load.ts'
import type { OpenLoopResult, OpenLoopTask } from './open-loop.ts'

/** Collections of the generator's own garbage would be counted as latency: it has room for all of it. */
const nodeFlags = ['--max-semi-space-size=64']

/** Sends a load at a constant rate from one processor. */
export async function runOpenLoop(
  { url, headers = {}, ...others }: Load,
  options: { readonly perSecond: number; readonly seconds: number; readonly cpu: number },
): Promise<OpenLoopResult> {
  if (Object.keys(others).length > 0 || !url.startsWith('http:')) {
    throw new Error('the generator with a constant rate repeats one GET over HTTP')
  }
  const { host, port, pathname } = new URL(url)
  const fields = Object.entries({ Host: host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const { perSecond, seconds } = options
  const request = `GET ${pathname} HTTP/1.1\r\n${fields.join('')}\r\n`
  const task: OpenLoopTask = { port: Number(port), request, perSecond, seconds }
  const program = join(import.meta.dirname, 'open-loop.ts')
  const output = await runGenerator(options.cpu, [
    process.execPath,
    ...nodeFlags,
    program,
    JSON.stringify(task),
  ])
  if (!output.startsWith('{')) throw new Error(`the generator failed:\n${output}`)
  return JSON.parse(output) as OpenLoopResult
}
