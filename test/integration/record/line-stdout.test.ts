import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTempFolder } from '../../support/temp-folder.ts'
import { until } from '../../support/until.ts'

const writerModule = new URL('../../../src/base/line-writer.ts', import.meta.url).href

/** A process of its own that does `body` with a writer on its standard output, and tells of it on standard error. */
function spawnWriter(body: string, stdout: 'pipe' | number, queue = 1_000_000): ChildProcess {
  const program = `
    import { createLineWriter } from ${JSON.stringify(writerModule)}
    const say = what => process.stderr.write(what + '\\n')
    const writer = createLineWriter({
      queue: ${queue},
      onLost: count => say('lost ' + count),
      onFailing: code => say('failing ' + code),
      onRecovered: () => say('recovered'),
    })
    const line = i => i + ' ' + 'x'.repeat(1_000)
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', stdout, 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

async function endOf(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  const said = child.stderr === null ? '' : text(child.stderr)
  const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
  return { code, said: await said }
}

const thousand = Array.from({ length: 1_000 }, (_, i) => `${i} ${'x'.repeat(1_000)}`)
const writeThousand = 'for (let i = 0; i < 1_000; i++) writer.write(line(i))'

describe('standard output', () => {
  it('gets every line when it is a pipe', async () => {
    const child = spawnWriter(`${writeThousand}; await writer.close()`, 'pipe')
    const [output, end] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), endOf(child)])
    expect(output.split('\n').slice(0, -1)).toEqual(thousand)
    expect(end).toEqual({ code: 0, said: '' })
  })

  it('gets every line when it is a file', async () => {
    const file = join(createTempFolder(), 'out')
    const fd = openSync(file, 'w')
    const end = await endOf(spawnWriter(`${writeThousand}; await writer.close()`, fd))
    closeSync(fd)
    expect(readFileSync(file, 'utf8').split('\n').slice(0, -1)).toEqual(thousand)
    expect(end).toEqual({ code: 0, said: '' })
  })

  it('gets every line when its reader pauses, and the process goes on meanwhile', async () => {
    const child = spawnWriter(
      `${writeThousand}
       for (let turns = 0; turns < 10; turns++) await sleep(5)
       say('alive')
       await writer.close()`,
      'pipe',
    )
    const end = endOf(child)
    // A process that is blocked says nothing before somebody reads.
    await once(child.stderr as NodeJS.ReadableStream, 'data')
    const output = await text(child.stdout as NodeJS.ReadableStream)
    expect(output.split('\n').slice(0, -1)).toEqual(thousand)
    expect(await end).toEqual({ code: 0, said: 'alive\n' })
  })

  it('without a reader does not stop the process: it says so, refuses lines when full, and exits', async () => {
    const child = spawnWriter(
      `writer.write('first')
       while (writer.isAccepting()) await sleep(5)
       say([1, 2, 3].map(i => writer.write(line(i))).join())
       await sleep(200)
       say('accepting ' + writer.isAccepting())
       await writer.close()
       say('closed')
       process.exit(0)`,
      'pipe',
      3,
    )
    child.stdout?.destroy()
    expect(await endOf(child)).toEqual({
      code: 0,
      said: 'failing EPIPE\ntrue,true,false\naccepting false\nlost 3\nclosed\n',
    })
  })

  it('with a reader that stalls for ever does not keep the process from its end', async () => {
    const child = spawnWriter(
      `${writeThousand}
       await sleep(100)
       await writer.close()
       process.exit(0)`,
      'pipe',
    )
    child.stdout?.pause()
    const { code, said } = await endOf(child)
    expect(code).toBe(0)
    expect(said).toMatch(/^lost \d+\n$/)
  })

  it('keeps the process alive until what waits is written', async () => {
    const child = spawnWriter('writer.write("last")', 'pipe')
    const [output, end] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), endOf(child)])
    expect([output, end.code]).toEqual(['last\n', 0])
  })

  it('gets what was written before a kill, but for the last moment', async () => {
    const child = spawnWriter('writer.write("kept"); await sleep(60_000)', 'pipe')
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    await until(() => output === 'kept\n', 'the line arrives by itself')
    child.kill('SIGKILL')
  })
})
