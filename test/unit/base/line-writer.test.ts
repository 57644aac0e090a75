import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LineTarget } from '../../../src/base/line-target.ts'
import { BatchingLineWriter } from '../../../src/base/line-writer.ts'

/** A disk that does what the test says, one entry a write: how many bytes it takes, or the code that it fails with. */
function createDisk(script: (number | string)[] = []) {
  const disk = {
    /** What was written, a new entry each time that it was opened again. */
    files: [''],
    writes: 0,
    refreshes: [] as boolean[],
    isReplaced: false,
    isClosed: false,
    hangs: false,
  }
  const target: LineTarget = {
    reopens: true,
    async write(bytes, offset) {
      disk.writes++
      if (disk.hangs) return new Promise<number>(() => {})
      const next = script.shift() ?? bytes.length - offset
      if (typeof next === 'string') throw Object.assign(new Error('disk'), { code: next })
      const taken = Math.min(next, bytes.length - offset)
      disk.files[disk.files.length - 1] += bytes.subarray(offset, offset + taken).toString('utf8')
      return taken
    },
    async refresh(force) {
      disk.refreshes.push(force)
      if (!force && !disk.isReplaced) return false
      disk.isReplaced = false
      disk.files.push('')
      return true
    },
    close() {
      disk.isClosed = true
    },
  }
  return { disk, target, script }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(() => {
  vi.useRealTimers()
})

/** Lets timers of this length run, and everything that waits for them. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('the line writer', () => {
  it('gathers lines for a moment and writes them at once, in order', async () => {
    const { disk, target } = createDisk()
    const writer = new BatchingLineWriter(target, { queue: 10 })
    for (const line of ['one', 'two', 'three']) expect(writer.write(line)).toBe(true)
    await pass(19)
    expect(disk.writes).toBe(0)
    await pass(1)
    expect(disk.files).toEqual(['one\ntwo\nthree\n'])
    expect(disk.writes).toBe(1)
  })

  it('does not wait when there is enough for a batch', async () => {
    const { disk, target } = createDisk()
    const writer = new BatchingLineWriter(target, { queue: 1_000 })
    for (let i = 0; i < 65; i++) writer.write('x'.repeat(4_096))
    await pass(0)
    expect(disk.writes).toBe(1)
    await pass(20)
    expect(disk.files[0]?.split('\n')).toHaveLength(66)
  })

  it('does not gather while half of a small queue is full', async () => {
    const { disk, target } = createDisk()
    const writer = new BatchingLineWriter(target, { queue: 10 })
    for (let i = 0; i < 4; i++) writer.write('line')
    await pass(0)
    expect(disk.writes).toBe(0)
    writer.write('line')
    await pass(0)
    expect(disk.files).toEqual(['line\n'.repeat(5)])
  })

  it('never has two writes under way', async () => {
    let underWay = 0
    let most = 0
    const target: LineTarget = {
      ...createDisk().target,
      async write(bytes, offset) {
        most = Math.max(most, ++underWay)
        await new Promise(resolve => setTimeout(resolve, 20))
        underWay--
        return bytes.length - offset
      },
    }
    const writer = new BatchingLineWriter(target, { queue: 1_000 })
    for (let i = 0; i < 200; i++) {
      writer.write('x'.repeat(16_384))
      await pass(1)
    }
    await pass(200)
    expect(most).toBe(1)
    expect(writer.isAccepting()).toBe(true)
  })

  it('goes on after a partial write where it stopped', async () => {
    const { disk, target } = createDisk([5, 1, 3])
    const writer = new BatchingLineWriter(target, { queue: 10 })
    writer.write('first line')
    writer.write('zweite Zeile: äöü €')
    await pass(25)
    expect(disk.files).toEqual(['first line\nzweite Zeile: äöü €\n'])
    expect(disk.writes).toBe(4)
  })

  it('tries a full pipe again without calling it a failure', async () => {
    const { disk, target } = createDisk(['EAGAIN', 'EAGAIN', 'EINTR', 0])
    const onFailing = vi.fn()
    const writer = new BatchingLineWriter(target, { queue: 10, onFailing })
    writer.write('line')
    await pass(21)
    expect(writer.isAccepting()).toBe(true)
    await pass(50)
    expect(disk.files).toEqual(['line\n'])
    expect(onFailing).not.toHaveBeenCalled()
  })

  it('refuses lines when the queue is full and takes them again when it is not', async () => {
    const { disk, target, script } = createDisk()
    script.push(...new Array<string>(8).fill('EAGAIN'))
    const writer = new BatchingLineWriter(target, { queue: 2 })
    expect([writer.write('1'), writer.write('2'), writer.write('3')]).toEqual([true, true, false])
    expect(writer.isAccepting()).toBe(false)
    await pass(500)
    expect(writer.isAccepting()).toBe(true)
    expect(writer.write('4')).toBe(true)
    await pass(20)
    expect(disk.files).toEqual(['1\n2\n4\n'])
  })

  it('counts the lines that are being written as waiting', async () => {
    const { disk, target } = createDisk()
    disk.hangs = true
    const writer = new BatchingLineWriter(target, { queue: 2 })
    writer.write('1')
    await pass(20)
    expect(disk.writes).toBe(1)
    expect([writer.write('2'), writer.write('3')]).toEqual([true, false])
  })

  it('keeps what is queued while the disk is full, says so once, and goes on by itself', async () => {
    const { disk, target } = createDisk([3, 'ENOSPC', 'ENOSPC', 'ENOSPC'])
    const onFailing = vi.fn()
    const onRecovered = vi.fn()
    const writer = new BatchingLineWriter(target, { queue: 10, onFailing, onRecovered })
    writer.write('line one')
    await pass(21)
    expect(writer.isAccepting()).toBe(false)
    expect(writer.write('line two')).toBe(true)
    await pass(2_000)
    expect(writer.isAccepting()).toBe(true)
    expect(disk.files).toEqual(['line one\nline two\n'])
    expect(onFailing.mock.calls).toEqual([['ENOSPC']])
    expect(onRecovered).toHaveBeenCalledOnce()
  })

  it('tries a failing disk with growing pauses, at least once a second', async () => {
    const { disk, target } = createDisk(new Array<string>(100).fill('ENOSPC'))
    const writer = new BatchingLineWriter(target, { queue: 10 })
    writer.write('line')
    await pass(1_000)
    const early = disk.writes
    expect(early).toBeGreaterThan(3)
    expect(early).toBeLessThan(8)
    await pass(10_000)
    expect(disk.writes - early).toBeGreaterThanOrEqual(9)
    expect(disk.writes - early).toBeLessThanOrEqual(11)
  })

  it('opens the file again after an input/output error, and repeats the line that was cut', async () => {
    const { disk, target } = createDisk([12, 'EIO'])
    const writer = new BatchingLineWriter(target, { queue: 10 })
    writer.write('line one')
    writer.write('line two')
    await pass(100)
    expect(disk.files).toEqual(['line one\nlin', 'line two\n'])
    expect(writer.isAccepting()).toBe(true)
  })

  it('looks once a second whether the file was rotated', async () => {
    const { disk, target } = createDisk()
    const writer = new BatchingLineWriter(target, { queue: 100 })
    for (let i = 0; i < 30; i++) {
      writer.write(`${i}`)
      await pass(100)
    }
    expect(disk.refreshes).toEqual([false, false])
    disk.isReplaced = true
    await pass(1_000)
    writer.write('after')
    await pass(20)
    expect(disk.files[1]).toBe('after\n')
  })

  it('opens the file again when asked, also when nothing is waiting', async () => {
    const { disk, target } = createDisk()
    const writer = new BatchingLineWriter(target, { queue: 10 })
    writer.reopen()
    await pass(0)
    expect(disk.refreshes).toEqual([true])
    writer.write('line')
    await pass(20)
    expect(disk.files).toEqual(['', 'line\n'])
  })

  it('does not accept while the file cannot be opened again, and tries until it can', async () => {
    const { disk, target } = createDisk()
    let isThere = false
    const writer = new BatchingLineWriter(
      {
        ...target,
        async refresh(force) {
          if (!isThere) throw Object.assign(new Error('gone'), { code: 'ENOENT' })
          return target.refresh(force)
        },
      },
      { queue: 10 },
    )
    writer.reopen()
    await pass(0)
    expect(writer.isAccepting()).toBe(false)
    writer.write('kept')
    await pass(500)
    expect(disk.writes).toBe(0)
    isThere = true
    await pass(1_000)
    expect(writer.isAccepting()).toBe(true)
    expect(disk.files).toEqual(['', 'kept\n'])
  })
})

describe('closing the line writer', () => {
  it('writes what is queued at once, then closes, and takes nothing more', async () => {
    const { disk, target } = createDisk()
    const onLost = vi.fn()
    const writer = new BatchingLineWriter(target, { queue: 10, onLost })
    writer.write('one')
    const closed = writer.close()
    expect(writer.isAccepting()).toBe(false)
    expect(writer.write('two')).toBe(false)
    await pass(0)
    await closed
    expect(disk.files).toEqual(['one\n'])
    expect(disk.isClosed).toBe(true)
    expect(onLost).not.toHaveBeenCalled()
    expect(writer.close()).toBe(closed)
  })

  it('loses no line when a write is under way and more batches wait', async () => {
    const { disk, target } = createDisk([10, 10])
    const writer = new BatchingLineWriter(target, { queue: 1_000 })
    const lines = Array.from({ length: 800 }, (_, i) => `${i} ${'x'.repeat(1_000)}`)
    for (const line of lines) writer.write(line)
    const closed = writer.close()
    await pass(0)
    await closed
    expect(disk.files).toEqual([`${lines.join('\n')}\n`])
  })

  it('does not sit out a long pause after a failure', async () => {
    const { disk, target } = createDisk(new Array<string>(8).fill('ENOSPC'))
    const writer = new BatchingLineWriter(target, { queue: 10 })
    writer.write('line')
    await pass(4_000)
    expect(disk.files).toEqual([''])
    const closed = writer.close()
    await pass(200)
    await closed
    expect(disk.files).toEqual(['line\n'])
  })

  it('gives up after three seconds and says how many lines are lost', async () => {
    const { target } = createDisk(new Array<string>(1_000).fill('ENOSPC'))
    const onLost = vi.fn()
    const writer = new BatchingLineWriter(target, { queue: 10, onLost })
    for (const line of ['1', '2', '3']) writer.write(line)
    let isClosed = false
    void writer.close().then(() => {
      isClosed = true
    })
    await pass(2_900)
    expect(isClosed).toBe(false)
    await pass(300)
    expect(isClosed).toBe(true)
    expect(onLost.mock.calls).toEqual([[3]])
  })

  it('does not wait for a write that hangs, and leaves its descriptor alone', async () => {
    const { disk, target } = createDisk()
    disk.hangs = true
    const onLost = vi.fn()
    const writer = new BatchingLineWriter(target, { queue: 10, onLost })
    writer.write('1')
    const closed = writer.close()
    await pass(3_200)
    await closed
    expect(onLost.mock.calls).toEqual([[1]])
    expect(disk.isClosed).toBe(false)
  })

  it('gives up at once when the reader of standard output is gone', async () => {
    const { target } = createDisk(new Array<string>(1_000).fill('EPIPE'))
    const onLost = vi.fn()
    const writer = new BatchingLineWriter({ ...target, reopens: false }, { queue: 10, onLost })
    writer.write('1')
    await pass(25)
    expect(writer.isAccepting()).toBe(false)
    const closed = writer.close()
    await pass(60)
    await closed
    expect(onLost.mock.calls).toEqual([[1]])
  })

  it('ends at once when nothing waits, even while the file cannot be opened again', async () => {
    const { target } = createDisk()
    let attempts = 0
    const refresh = async () => {
      attempts++
      throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    }
    const writer = new BatchingLineWriter({ ...target, refresh }, { queue: 10 })
    writer.reopen()
    await pass(1_000)
    const closed = writer.close()
    await pass(60)
    await closed
    const before = attempts
    await pass(10_000)
    expect(attempts).toBe(before)
  })
})
