import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LineWriter } from './line-writer.ts'

const fullPauseMs = 10

/**
 * Writes every line of a stream, until the stream ends. While the writer takes no more, nothing is read: whoever writes
 * to the other end feels it. What an end leaves behind without a line end is written as a line too.
 *
 * @param signal gives up waiting for the writer
 * @returns how many lines were given up
 */
export async function relayLines(
  source: Readable,
  writer: Pick<LineWriter, 'write'>,
  signal: AbortSignal,
): Promise<number> {
  let lost = 0
  const write = async (line: string): Promise<void> => {
    while (!writer.write(line)) {
      if (signal.aborted) {
        lost += 1
        return
      }
      await sleep(fullPauseMs)
    }
  }
  let rest = ''
  source.setEncoding('utf8')
  try {
    for await (const chunk of source) {
      const text: string = rest + chunk
      let start = 0
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
        await write(text.slice(start, end))
        start = end + 1
      }
      rest = text.slice(start)
    }
  } catch {
    // A stream that breaks off has ended.
  }
  if (rest !== '') await write(rest)
  return lost
}
