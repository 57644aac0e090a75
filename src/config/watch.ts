import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Environment } from './environment.ts'
import { readTextFile } from './file-reader.ts'
import { referencedFiles } from './referenced-files.ts'

/** Tells when a configuration changed, until it is closed. */
export interface ConfigWatcher {
  close(): void
}

export interface WatchOptions {
  readonly env?: Environment
  /** How often the files are looked at. Default 1000. */
  readonly intervalMs?: number
  /** How long the files must stay the same before a change counts. Default 200. */
  readonly settleMs?: number
}

/**
 * Calls `onChange` after the content of a configuration file, or of a secret or key set that it names, became another:
 * by an edit, a rename over it, or the swap of a symlink, as Kubernetes does it. What disappears and what comes back
 * are changes too. A change that is taken back while it settles is none.
 *
 * It reads the content at intervals, because file system events get lost on some mounts; events only make it faster.
 */
export function watchConfig(file: string, onChange: () => void, options: WatchOptions = {}): ConfigWatcher {
  const { env = process.env, intervalMs = 1000, settleMs = 200 } = options
  let current = fingerprint(file, env)
  let candidate: string | undefined
  let settling: NodeJS.Timeout | undefined

  const look = (): void => {
    settling = undefined
    const seen = fingerprint(file, env)
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
  const events = watchFolder(dirname(resolve(file)), settle)
  return {
    close() {
      clearInterval(poll)
      clearTimeout(settling)
      events?.close()
    },
  }
}

/** A digest of everything that the configuration is made of. */
function fingerprint(file: string, env: Environment): string {
  const text = readTextFile(file)
  const others = text.ok ? referencedFiles(text.value, file, env).map(readTextFile) : []
  const content = [text, ...others].map(read => (read.ok ? ['text', read.value] : ['error', read.error]))
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
