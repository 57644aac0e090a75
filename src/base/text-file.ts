import { isUtf8 } from 'node:buffer'
import { readFileSync, statSync } from 'node:fs'
import { fail, ok, type Result } from './result.ts'

const maxBytes = 1024 * 1024

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
