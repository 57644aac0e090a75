import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { runOpenLoop } from '../../bench/generators/run-open-loop.ts'
import { findProgram } from '../../bench/programs.ts'

/** Answers at once, but stands still for a while, once, after so many requests. */
const server = (stallAfter: number, stallMs: number) => `
  let count = 0
  const nothing = new Int32Array(new SharedArrayBuffer(4))
  require('node:http').createServer((request, response) => {
    if (++count === ${stallAfter}) Atomics.wait(nothing, 0, 0, ${stallMs})
    response.end('x')
  }).listen(0, '127.0.0.1', function () { process.stdout.write(String(this.address().port)) })
`

describe.runIf(findProgram('taskset') !== undefined)('the generator with a constant rate', () => {
  let child: ChildProcess | undefined
  afterEach(async () => {
    const exit = child && once(child, 'exit')
    child?.kill('SIGKILL')
    await exit
  })

  const run = async (script: string) => {
    child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [port] = (await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data')) as [Buffer]
    return runOpenLoop({ url: `http://127.0.0.1:${port}/` }, { perSecond: 200, seconds: 2, cpu: 0 })
  }

  it('counts every request that was due while the server stood still', async () => {
    const result = await run(server(210, 1_600))
    expect(result).toMatchObject({ requests: 400, errors: 0 })
    // Most of them were due then. A generator that waits for answers would have sent a few only, and the median
    // would be that of the others.
    expect(result.p50Ms).toBeGreaterThan(200)
    expect(result.maxMs).toBeGreaterThan(1_400)
  })

  it('reports a request that is not answered', async () => {
    const result = await run(`
      let count = 0
      require('node:http').createServer((request, response) => {
        if (++count === 300) request.socket.destroy()
        else response.end('x')
      }).listen(0, '127.0.0.1', function () { process.stdout.write(String(this.address().port)) })
    `)
    expect(result).toMatchObject({ requests: 400, errors: 1 })
  })
})
