import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createLineWriter, type LineWriter } from '../../../src/base/line-writer.ts'
import { createTempFolder } from '../../support/temp-folder.ts'
import { until } from '../../support/until.ts'

let folder: string
let file: string
let failures: string[]

beforeEach(() => {
  folder = createTempFolder()
  file = join(folder, 'audit.jsonl')
  failures = []
})

function open(path = file, queue = 100_000): LineWriter {
  const writer = createLineWriter({
    file: path,
    queue,
    onFailing: code => failures.push(code),
    onRecovered: () => failures.push('recovered'),
    onLost: count => failures.push(`lost ${count}`),
  })
  onTestFinished(() => writer.close())
  return writer
}

const linesIn = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)
const has = (path: string, line: string) => () => {
  try {
    return linesIn(path).includes(line)
  } catch {
    return false
  }
}

/** Writes numbered lines all the while, and answers the numbers of those that were accepted. */
function keepWriting(writer: LineWriter): { stop(): string[] } {
  const accepted: string[] = []
  let next = 0
  const timer = setInterval(() => {
    for (let i = 0; i < 50; i++) {
      const line = `${next++} ${'x'.repeat(200)}`
      if (writer.write(line)) accepted.push(line)
    }
  }, 1)
  return {
    stop() {
      clearInterval(timer)
      return accepted
    },
  }
}

describe('a file', () => {
  it('is made for its owner alone', async () => {
    const writer = open()
    expect(statSync(file).mode & 0o777).toBe(0o600)
    writer.write('one')
    await writer.close()
    expect(readFileSync(file, 'utf8')).toBe('one\n')
  })

  it('is appended to, and keeps its mode', async () => {
    writeFileSync(file, 'before\n')
    chmodSync(file, 0o640)
    const writer = open()
    writer.write('after')
    await writer.close()
    expect(readFileSync(file, 'utf8')).toBe('before\nafter\n')
    expect(statSync(file).mode & 0o777).toBe(0o640)
  })

  it('that ends within a line, because its writer was killed, gets a line end first', async () => {
    writeFileSync(file, 'whole\n{"cut":')
    const writer = open()
    writer.write('next')
    await writer.close()
    expect(linesIn(file)).toEqual(['whole', '{"cut":', 'next'])
  })

  it('holds every line, whole and in order, from many batches', async () => {
    const writer = open()
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'é'.repeat(i % 300)}`)
    for (const line of lines) expect(writer.write(line)).toBe(true)
    await writer.close()
    expect(linesIn(file)).toEqual(lines)
  })

  it.each([
    ['in a folder that is not there', () => join(folder, 'none', 'audit.jsonl'), 'ENOENT'],
    ['that is a folder', () => folder, 'EISDIR'],
    ['below a file', () => join(process.execPath, 'audit.jsonl'), 'ENOTDIR'],
  ])('%s is an error at the start', (_, path, code) => {
    expect(() => open(path())).toThrow(expect.objectContaining({ code }))
  })
})

describe('a rotation loses no line and splits none', () => {
  it('by rename with a signal', async () => {
    const writer = open()
    const writing = keepWriting(writer)
    const parts = ['1', '2', '3'].map(part => join(folder, `audit.${part}`))
    for (const part of parts) {
      await delay(60)
      renameSync(file, part)
      writer.reopen()
      await until(() => statSync(file, { throwIfNoEntry: false }) !== undefined, 'the file is made anew')
    }
    await until(() => linesIn(file).length > 0, 'a line in the new file')
    const accepted = writing.stop()
    await writer.close()
    expect([...parts, file].flatMap(linesIn)).toEqual(accepted)
    expect(linesIn(file).length).toBeGreaterThan(0)
    expect(failures).toEqual([])
  })

  it('by rename without a signal', async () => {
    const writer = open()
    const writing = keepWriting(writer)
    await delay(50)
    const part = join(folder, 'audit.1')
    renameSync(file, part)
    await until(() => statSync(file, { throwIfNoEntry: false })?.size !== undefined, 'the file is made anew')
    await delay(30)
    const accepted = writing.stop()
    await writer.close()
    expect([part, file].flatMap(linesIn)).toEqual(accepted)
  })

  it('by copy and truncate', async () => {
    const writer = open()
    for (const line of ['1', '2']) writer.write(line)
    await until(has(file, '2'), 'written')
    const copy = readFileSync(file, 'utf8')
    truncateSync(file)
    writer.write('3')
    await writer.close()
    expect([copy, readFileSync(file, 'utf8')]).toEqual(['1\n2\n', '3\n'])
  })

  it('by a new file in its place', async () => {
    const writer = open()
    writer.write('1')
    await until(has(file, '1'), 'written')
    const other = join(folder, 'other')
    writeFileSync(other, 'from elsewhere\n')
    renameSync(other, file)
    await delay(1_050)
    writer.write('2')
    await writer.close()
    expect(linesIn(file)).toEqual(['from elsewhere', '2'])
  })
})

describe('a file that was removed', () => {
  it('is made anew within a second', async () => {
    const writer = open()
    writer.write('1')
    await until(has(file, '1'), 'written')
    rmSync(file)
    await delay(1_050)
    writer.write('2')
    await writer.close()
    expect(linesIn(file)).toEqual(['2'])
  })

  it('with its folder stops the writer, which keeps what waits and goes on when the folder is back', async () => {
    const inner = join(folder, 'inner')
    mkdirSync(inner)
    const path = join(inner, 'audit.jsonl')
    const writer = open(path)
    writer.write('1')
    await until(has(path, '1'), 'written')
    rmSync(inner, { recursive: true })
    await delay(1_050)
    writer.write('2')
    await until(() => !writer.isAccepting(), 'the failure is noticed')
    expect(writer.write('3')).toBe(true)
    mkdirSync(inner)
    await until(() => writer.isAccepting(), 'writing works again')
    await writer.close()
    expect(linesIn(path)).toEqual(['2', '3'])
    expect(failures).toEqual(['ENOENT', 'recovered'])
  })
})

describe('a full disk', () => {
  it('stops the writer, which keeps what waits and goes on when there is room', async () => {
    symlinkSync('/dev/full', file)
    const writer = open(file, 3)
    expect(writer.isAccepting()).toBe(true)
    writer.write('1')
    await until(() => !writer.isAccepting(), 'the failure is noticed')
    expect([writer.write('2'), writer.write('3'), writer.write('4')]).toEqual([true, true, false])
    const roomy = join(folder, 'roomy')
    symlinkSync(roomy, `${file}.new`)
    renameSync(`${file}.new`, file)
    await until(() => writer.isAccepting(), 'writing works again')
    await writer.close()
    expect(linesIn(roomy)).toEqual(['1', '2', '3'])
    expect(failures).toEqual(['ENOSPC', 'recovered'])
  })

  it('makes close give up in time, and say how many lines are lost', async () => {
    const writer = open('/dev/full')
    for (const line of ['1', '2']) writer.write(line)
    await writer.close()
    expect(failures).toEqual(['ENOSPC', 'lost 2'])
  })
})

describe('a named pipe', () => {
  const readAll = (fd: number): string => {
    const buffer = Buffer.alloc(1 << 20)
    try {
      return buffer.toString('utf8', 0, readSync(fd, buffer))
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'EAGAIN') return ''
      throw cause
    }
  }
  const openReader = (): number => openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)

  beforeEach(() => {
    execFileSync('mkfifo', [file])
  })

  it('without a reader stops nothing but the writer, until one comes', async () => {
    const writer = open()
    writer.write('1')
    await until(() => !writer.isAccepting(), 'the failure is noticed')
    const reader = openReader()
    await until(() => writer.isAccepting(), 'writing works again')
    expect(readAll(reader)).toBe('1\n')
    closeSync(reader)
  })

  it('whose reader goes away is written to again when another comes', async () => {
    const first = openReader()
    const writer = open()
    writer.write('1')
    await until(() => readAll(first) === '1\n', 'read')
    closeSync(first)
    writer.write('2')
    await until(() => !writer.isAccepting(), 'the failure is noticed')
    const second = openReader()
    let text = ''
    await until(() => {
      text += readAll(second)
      return text === '2\n'
    }, 'the second reader gets the line')
    expect(failures[0]).toBe('EPIPE')
    closeSync(second)
  })

  it('that nobody empties fills the queue, and then everything arrives in order', async () => {
    const reader = openReader()
    const writer = open(file, 300)
    const accepted: string[] = []
    for (let i = 0; writer.isAccepting(); i++) {
      const line = `${i} ${'x'.repeat(1_000)}`
      if (writer.write(line)) accepted.push(line)
      if (i % 20 === 0) await delay(10)
    }
    expect(writer.write('too many')).toBe(false)
    let text = ''
    await until(() => {
      text += readAll(reader)
      return text.split('\n').length > accepted.length
    }, 'everything is read')
    expect(text.split('\n').slice(0, -1)).toEqual(accepted)
    expect(writer.isAccepting()).toBe(true)
    expect(failures).toEqual([])
    closeSync(reader)
  })
})

describe('two writers of one file', () => {
  it('do not write into each other’s lines', async () => {
    const writers = [open(), open()]
    const writing = writers.map(keepWriting)
    appendFileSync(file, 'third\n')
    await delay(100)
    const accepted = writing.flatMap(one => one.stop())
    await Promise.all(writers.map(writer => writer.close()))
    expect(linesIn(file).toSorted()).toEqual([...accepted, 'third'].toSorted())
  })
})
