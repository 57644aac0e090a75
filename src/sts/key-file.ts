import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { SigningAlgorithm } from '../config/sidecar-config.ts'
import { formatSigningKeys, generateSigningKey, parseSigningKeys, type SigningKeys } from './signing-keys.ts'

const maxBytes = 64 * 1024

/**
 * Reads the signing keys from a file and makes the file, mode 0600, when there is none. Processes that start at the
 * same moment end up with the same keys: each writes a file of its own and only one of them gets the name.
 *
 * @throws Error, without any key material, when the file is readable by others, malformed or cannot be made
 */
export function loadSigningKeys(
  file: string,
  algorithm: SigningAlgorithm = 'ES256',
  now: EpochSeconds = Date.now() / 1000,
): SigningKeys {
  const existing = readKeyFile(file)
  if (existing !== undefined) return existing
  createKeyFile(file, [generateSigningKey(algorithm, { createdAt: Math.floor(now) })])
  const created = readKeyFile(file)
  if (created === undefined) throw new Error(`${file}: the signing keys vanished while starting`)
  return created
}

/**
 * Reads the signing keys from a file; undefined when there is none.
 *
 * @throws Error, without any key material, when the file cannot be read, is readable by others or is malformed
 */
export function readKeyFile(file: string): SigningKeys | undefined {
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

/**
 * Changes the keys in a file: one writer at a time, and whoever reads sees the keys from before or all of the new ones.
 * Owner and mode stay as they are. What `change` refuses leaves the file alone.
 *
 * @returns the new keys, or why the file is as it was: in the words of `change`, or of the file system
 * @throws Error, without any key material, for a file that cannot be used as signing keys
 */
export function changeKeyFile<T extends { readonly keys: SigningKeys }>(
  file: string,
  change: (keys: SigningKeys) => Result<T, string>,
): Result<T, string> {
  let real: string
  try {
    // A link stays a link: what it leads to is replaced.
    real = realpathSync(file)
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') return fail(`${file}: cannot be found (${codeOf(cause)})`)
    return fail(`${file}: there is no such file; the service makes it when it starts`)
  }
  const unlock = lock(`${real}.lock`)
  if (!unlock.ok) return unlock
  try {
    const keys = readKeyFile(real)
    if (keys === undefined) return fail(`${file}: there is no such file any more`)
    const changed = change(keys)
    if (changed.ok) replaceKeyFile(real, changed.value.keys)
    return changed
  } finally {
    unlock.value()
  }
}

/** The name is the lock: only one process can make a file of it. It is held for milliseconds. */
function lock(name: string): Result<() => void, string> {
  try {
    closeSync(openSync(name, 'wx', 0o600))
    return ok(() => rmSync(name, { force: true }))
  } catch (cause) {
    const code = codeOf(cause)
    if (code !== 'EEXIST') {
      return fail(
        `${dirname(name)}: cannot be written to (${code}); change a copy of the file and distribute it`,
      )
    }
    return fail(`${name} is there: another command changes the keys. Remove it when none does.`)
  }
}

function replaceKeyFile(file: string, keys: SigningKeys): void {
  const temporary = temporaryFor(file)
  try {
    writeDurably(temporary, formatSigningKeys(keys), statSync(file))
    renameSync(temporary, file)
    syncDirectory(dirname(file))
  } catch (cause) {
    throw new Error(`${file}: the signing keys cannot be written (${codeOf(cause)})`)
  } finally {
    rmSync(temporary, { force: true })
  }
}

function temporaryFor(file: string): string {
  return `${file}.${randomBytes(8).toString('hex')}.tmp`
}

/** A link, unlike a rename, fails when the name is taken, so a file that another process made is never replaced. */
function createKeyFile(file: string, keys: SigningKeys): void {
  const temporary = temporaryFor(file)
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

/** @param like whose owner and mode the file is to have; without it, it is for this process alone */
function writeDurably(file: string, text: string, like?: Stats): void {
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    if (like !== undefined) {
      const own = fstatSync(descriptor)
      if (own.uid !== like.uid || own.gid !== like.gid) fchownSync(descriptor, like.uid, like.gid)
      fchmodSync(descriptor, like.mode & 0o777)
    }
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
