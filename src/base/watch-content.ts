import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readTextFile } from './text-file.ts'

export interface WatchedContent {
  /** Which files. Asked for at each look: the content of one may name others. */
  readonly files: () => readonly string[]
  /** Where events are listened for. */
  readonly folders: readonly string[]
}

/** Tells of changes until it is closed. */
export interface ContentWatcher {
  close(): void
}

export interface WatchTimes {
  /** How often the content is looked at. Default 1000. */
  readonly intervalMs?: number
  /** How long the content must stay the same before a change counts. Default 200. */
  readonly settleMs?: number
}

/**
 * Calls `onChange` after the content of files became another: by an edit, a rename over one of them, or the swap of a
 * symbolic link, as Kubernetes does it. What disappears and what comes back are changes too. A change that is taken back
 * while it settles is none.
 *
 * It reads the content at intervals, because file system events get lost on some mounts; events only make it faster.
 */
export function watchContent(
  { files, folders }: WatchedContent,
  onChange: () => void,
  { intervalMs = 1000, settleMs = 200 }: WatchTimes = {},
): ContentWatcher {
  let current = fingerprint(files())
  let candidate: string | undefined
  let settling: NodeJS.Timeout | undefined

  const look = (): void => {
    settling = undefined
    const seen = fingerprint(files())
    if (seen === current) {
      candidate = undefined
    } else if (seen === candidate) {
      current = seen
      candidate = undefined
      onChange()
    } else {
      candidate = seen
      settle()
    }
  }
  const settle = (): void => {
    settling ??= setTimeout(look, settleMs).unref()
  }
  const poll = setInterval(() => {
    if (settling === undefined) look()
  }, intervalMs).unref()
  const events = [...new Set(folders)].map(folder => watchFolder(folder, settle))
  return {
    close() {
      clearInterval(poll)
      clearTimeout(settling)
      for (const folder of events) folder?.close()
    },
  }
}

function fingerprint(files: readonly string[]): string {
  const content = files
    .map(readTextFile)
    .map(read => (read.ok ? ['text', read.value] : ['error', read.error]))
  return createHash('sha256').update(JSON.stringify(content), 'utf8').digest('base64')
}

function watchFolder(folder: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onEvent)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
