import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { relayLines } from '../../../src/base/relay-lines.ts'
import { createMemoryWriter } from '../../support/memory-writer.ts'
import { until } from '../../support/until.ts'

const never = new AbortController().signal

describe('relaying lines', () => {
  it('writes each line once, however the stream was cut', async () => {
    const text = 'one\ntwo with Ümlaut\n\nfour\n'
    const bytes = Buffer.from(text)
    for (let size = 1; size <= bytes.length; size++) {
      const source = new PassThrough()
      const writer = createMemoryWriter()
      const relayed = relayLines(source, writer, never)
      for (let start = 0; start < bytes.length; start += size)
        source.write(bytes.subarray(start, start + size))
      source.end()
      expect(await relayed).toBe(0)
      expect(writer.lines).toEqual(['one', 'two with Ümlaut', '', 'four'])
    }
  })

  it('ends the line that a killed process has left unfinished', async () => {
    const source = new PassThrough()
    const writer = createMemoryWriter()
    const relayed = relayLines(source, writer, never)
    source.write('whole\nhal')
    await until(() => writer.lines.length === 1, 'the first line is written')
    source.destroy()
    expect(await relayed).toBe(0)
    expect(writer.lines).toEqual(['whole', 'hal'])
  })

  it('reads no more while the writer takes no more, and goes on when it does', async () => {
    const source = new PassThrough({ highWaterMark: 16 })
    let isFull = true
    const lines: string[] = []
    const writer = { write: (line: string) => !isFull && lines.push(line) > 0 }
    const relayed = relayLines(source, writer, never)
    source.write('a'.repeat(10))
    source.write('\n')
    await new Promise(resolve => setTimeout(resolve, 50))
    let written = 0
    while (source.write('line\n') && written < 1_000) written++
    expect(written).toBeLessThan(20)
    isFull = false
    source.end()
    expect(await relayed).toBe(0)
    expect(lines).toHaveLength(written + 2)
  })

  it('gives up when it is told to, and says how many lines that cost', async () => {
    const source = new PassThrough()
    const giveUp = new AbortController()
    const writer = createMemoryWriter(1)
    const relayed = relayLines(source, writer, giveUp.signal)
    source.end('one\ntwo\nthree\nfour')
    await until(() => writer.lines.length === 1, 'the first line is written')
    giveUp.abort()
    expect(await relayed).toBe(3)
    expect(writer.lines).toEqual(['one'])
  })
})
