import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createWriteGathering } from '../../../src/base/gather-writes.ts'

/** A stream that keeps what each of its system calls would have written. */
function recordingStream(): { readonly stream: Writable; readonly calls: string[] } {
  const calls: string[] = []
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      calls.push(String(chunk))
      done()
    },
    writev(chunks, done) {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''))
      done()
    },
  })
  return { stream, calls }
}

describe('createWriteGathering', () => {
  it('makes what is written in one turn of the event loop leave together, and in the next again', async () => {
    const gather = createWriteGathering()
    const { stream, calls } = recordingStream()
    for (const text of ['a', 'b', 'c']) {
      gather(stream)
      stream.write(text)
      await undefined
    }
    expect(calls).toEqual([])
    await turn()
    expect(calls).toEqual(['abc'])
    gather(stream)
    stream.write('d')
    await turn()
    expect(calls).toEqual(['abc', 'd'])
    expect(stream.writableCorked).toBe(0)
  })

  it('lets go of a stream that another one replaces', async () => {
    const gather = createWriteGathering()
    const [first, second] = [recordingStream(), recordingStream()]
    gather(first.stream)
    first.stream.write('a')
    gather(second.stream)
    second.stream.write('b')
    gather(first.stream)
    first.stream.write('c')
    await turn()
    await turn()
    expect([first.calls.join(''), second.calls.join('')]).toEqual(['ac', 'b'])
    expect([first.stream.writableCorked, second.stream.writableCorked]).toEqual([0, 0])
  })
})
