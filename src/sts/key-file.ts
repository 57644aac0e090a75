import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { formatSigningKeys, generateSigningKey, parseSigningKeys, type SigningKeys } from './signing-keys.ts'

const maxBytes = 64 * 1024

/**
 * Reads the signing keys from a file and makes the file, mode 0600, when there is none. Processes that start at the
 * same moment end up with the same keys: each writes a file of its own and only one of them gets the name.
 *
 * @throws Error, without any key material, when the file is readable by others, malformed or cannot be made
 */
export function loadSigningKeys(file: string): SigningKeys {
  const existing = readKeyFile(file)
  if (existing !== undefined) return existing
  createKeyFile(file, [generateSigningKey()])
  const created = readKeyFile(file)
  if (created === undefined) throw new Error(`${file}: the signing keys vanished while starting`)
  return created
}

function readKeyFile(file: string): SigningKeys | undefined {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw new Error(`${file}: the signing keys cannot be read (${codeOf(cause)})`)
  }
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw new Error('it is not a file')
    if (isOpenToOthers(stat, process.getuid?.())) {
      throw new Error(`others may read or write it (mode ${(stat.mode & 0o777).toString(8)}, wanted 600)`)
    }
    if (stat.size > maxBytes) throw new Error('it is too large')
    return parseSigningKeys(readFileSync(descriptor, 'utf8'))
  } catch (cause) {
    throw new Error(
      `${file}: not usable as signing keys: ${cause instanceof Error ? cause.message : 'unknown'}`,
    )
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Whether somebody but the process may read or write a file. What belongs to the process is for its owner alone. A file
 * of another user, such as a mounted Kubernetes Secret, which is root's, may be readable by the group: it is through
 * the group that the process reads it.
 */
export function isOpenToOthers(
  file: { readonly mode: number; readonly uid: number },
  ownUid: number | undefined,
): boolean {
  return (file.mode & (file.uid === ownUid ? 0o077 : 0o037)) !== 0
}

/** A link, unlike a rename, fails when the name is taken, so a file that another process made is never replaced. */
function createKeyFile(file: string, keys: SigningKeys): void {
  const temporary = `${file}.${randomBytes(8).toString('hex')}.tmp`
  try {
    writeDurably(temporary, formatSigningKeys(keys))
    linkSync(temporary, file)
    syncDirectory(dirname(file))
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return
    throw new Error(`${file}: the signing keys cannot be made (${codeOf(cause)})`)
  } finally {
    rmSync(temporary, { force: true })
  }
}

function writeDurably(file: string, text: string): void {
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Without it the new name may be lost with the power. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'failed'
}
