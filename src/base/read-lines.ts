import { createReadStream } from 'node:fs'

/** A line of a file, or the fact that it is too long to be read. */
export interface ReadLine {
  /** 1-based. */
  readonly number: number
  /** Undefined for a line of more than {@link mostLineBytes}. */
  readonly text: string | undefined
}

/** Longer ones are no lines that anybody wrote here. */
export const mostLineBytes: number = 1024 * 1024

/**
 * The lines of a file, one after the other, however large the file is. Empty ones are passed over, but counted.
 *
 * @throws the system's error for a file that cannot be read
 */
export async function* readLines(file: string): AsyncGenerator<ReadLine> {
  let number = 0
  let parts: Buffer[] = []
  let bytes = 0
  const take = (): ReadLine | undefined => {
    number++
    const text = bytes > mostLineBytes ? undefined : Buffer.concat(parts).toString('utf8').trim()
    parts = []
    bytes = 0
    return text === '' ? undefined : { number, text }
  }
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end))
      start = end + 1
      const line = take()
      if (line !== undefined) yield line
    }
    add(chunk.subarray(start))
  }
  if (bytes > 0) {
    const line = take()
    if (line !== undefined) yield line
  }

  function add(part: Buffer): void {
    bytes += part.length
    // What is too long is not kept.
    if (bytes <= mostLineBytes) parts.push(part)
  }
}
