import { dirname, resolve } from 'node:path'
import type { Result } from '../base/result.ts'
import { readTextFile } from '../base/text-file.ts'
import type { ReadText } from './config-texts.ts'

/** Reads the files that a configuration names, relative to its own folder. */
export interface FileReader {
  /** The absolute path of a name in the configuration. */
  resolve(name: string): string
  /** The text of a file. The error follows "a file that". */
  read(name: string): Result<string, string>
}

/** A reader for the files that `configFile` names. */
export function createFileReader(configFile: string, readText: ReadText = readTextFile): FileReader {
  const folder = dirname(resolve(configFile))
  return {
    resolve: name => resolve(folder, name),
    read: name => readText(resolve(folder, name)),
  }
}
