import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { readUsage } from '../../bench/process-usage.ts'

/** Works for so long by its own account of CPU time, says so, and stays. */
const busy = `
  while (process.cpuUsage().user < 300_000);
  process.stdout.write('done')
  setInterval(() => {}, 1_000)
`
const withChild = `
  const { spawn } = require('node:child_process')
  const child = spawn(process.execPath, ['-e', ${JSON.stringify(busy)}], { stdio: ['ignore', 'inherit', 'inherit'] })
  process.once('SIGTERM', () => { child.kill('SIGKILL'); process.exit() })
`

describe.runIf(process.platform === 'linux')('the CPU time that is counted', () => {
  let end: (() => Promise<void>) | undefined
  afterEach(() => end?.())

  it('includes that of a child, and its memory', async () => {
    const parent = spawn(process.execPath, ['-e', withChild], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exit = once(parent, 'exit')
    end = async () => {
      parent.kill('SIGTERM')
      await exit
    }
    await once(parent.stdout, 'data')
    const both = readUsage(parent.pid ?? 0)
    // The parent itself only waits: this is far more than its start takes.
    expect(both.cpuMicroseconds).toBeGreaterThanOrEqual(300_000)
    // Two Node processes; one alone has less.
    expect(both.rssBytes).toBeGreaterThan(60 * 2 ** 20)
  })
})
