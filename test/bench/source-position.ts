import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'

/** A place in a file. Lines and columns count from 0. */
export interface Position {
  readonly url: string
  readonly lineNumber: number
  readonly columnNumber: number
}

const maps = new Map<string, SourceMap | undefined>()

/** Where something in a bundle was written; the same place when no source map lies beside the file. */
export function sourcePosition(position: Position): Position {
  const { url, lineNumber, columnNumber } = position
  if (!url.startsWith('file:')) return position
  if (!maps.has(url)) maps.set(url, readMap(`${fileURLToPath(url)}.map`))
  const entry = maps.get(url)?.findEntry(lineNumber, columnNumber)
  if (entry === undefined || !('originalSource' in entry)) return position
  const { originalSource, originalLine, originalColumn } = entry
  return {
    url: new URL(originalSource, url).href,
    lineNumber: originalLine,
    columnNumber: originalColumn,
  }
}

function readMap(file: string): SourceMap | undefined {
  return existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, 'utf8'))) : undefined
}
