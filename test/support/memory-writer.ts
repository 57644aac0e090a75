import type { LineWriter } from '../../src/base/line-writer.ts'

/** A line writer that keeps its lines, for tests. */
export interface MemoryWriter extends LineWriter {
  readonly lines: readonly string[]
  isClosed: boolean
}

/** Takes `queue` lines and then no more. */
export function createMemoryWriter(queue = Number.POSITIVE_INFINITY): MemoryWriter {
  const lines: string[] = []
  return {
    lines,
    isClosed: false,
    write(line) {
      if (lines.length >= queue) return false
      lines.push(line)
      return true
    },
    isAccepting: () => lines.length < queue,
    reopen() {},
    async close() {
      this.isClosed = true
    },
  }
}
