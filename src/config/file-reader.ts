import { isUtf8 } from 'node:buffer'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fail, ok, type Result } from '../base/result.ts'

/** Reads the files that a configuration names, relative to its own folder. */
export interface FileReader {
  /** The absolute path of a name in the configuration. */
  resolve(name: string): string
  /** The text of a file. The error follows "a file that". */
  read(name: string): Result<string, string>
}

const maxBytes = 1024 * 1024

/** A reader for the files that `configFile` names. */
export function createFileReader(configFile: string): FileReader {
  const folder = dirname(resolve(configFile))
  return {
    resolve: name => resolve(folder, name),
    read: name => readTextFile(resolve(folder, name)),
  }
}

/** Reads a small UTF-8 file. The error says what is wrong, without the path: it follows "a file that". */
export function readTextFile(file: string): Result<string, string> {
  try {
    const stats = statSync(file)
    if (!stats.isFile()) return fail('is not a regular file')
    if (stats.size > maxBytes) return fail('is longer than 1 MiB')
    const bytes = readFileSync(file)
    return isUtf8(bytes) ? ok(bytes.toString('utf8')) : fail('is not UTF-8 text')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    return fail(code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`)
  }
}
