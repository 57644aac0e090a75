import { dirname, resolve } from 'node:path'
import { readTextFile } from '../base/text-file.ts'
import { type ContentWatcher, type WatchTimes, watchContent } from '../base/watch-content.ts'
import type { Environment } from './environment.ts'
import { referencedFiles } from './referenced-files.ts'

/** Tells when a configuration changed, until it is closed. */
export type ConfigWatcher = ContentWatcher

export interface WatchOptions extends WatchTimes {
  readonly env?: Environment
}

/**
 * Calls `onChange` after the content of a configuration file, or of a secret or key set that it names, became another.
 * Files with certificates are not among them: they are watched by who uses them.
 */
export function watchConfig(file: string, onChange: () => void, options: WatchOptions = {}): ConfigWatcher {
  const { env = process.env, ...times } = options
  let known: { readonly text: string; readonly files: readonly string[] } | undefined
  const files = (): readonly string[] => {
    const text = readTextFile(file)
    if (!text.ok) return [file]
    // Once a second it is the same text, and YAML takes its time.
    if (known?.text !== text.value) {
      known = { text: text.value, files: referencedFiles(text.value, file, env) }
    }
    return [file, ...known.files]
  }
  return watchContent({ files, folders: [dirname(resolve(file))] }, onChange, times)
}
