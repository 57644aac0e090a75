import { closeSync, constants, fstatSync, openSync, readSync, write, writeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'

const writeBytes = promisify(write)

/** Where a line writer puts bytes. `write` and `refresh` may throw a system error and are then called again. */
export interface LineTarget {
  /**
   * Writes from `offset` on, perhaps not all.
   *
   * @returns how many bytes were taken
   */
  write(bytes: Buffer, offset: number): Promise<number>
  /**
   * Makes sure that what is written next ends where the configuration says.
   *
   * @param force opens again even when nothing seems to have changed
   * @returns whether it was opened again: the next byte is then the first of a line
   */
  refresh(force: boolean): Promise<boolean>
  close(): void
  /** Whether opening again may help when the reader went away. */
  readonly reopens: boolean
}

/**
 * Standard output. A pipe or socket becomes non-blocking: otherwise a reader that stalls would hold a thread in
 * `write` for ever, and with it the end of this process.
 */
export function standardOutput(): LineTarget {
  // Asking for the stream is what sets O_NONBLOCK; Node restores the descriptor's flags at exit.
  const { fd } = process.stdout
  return {
    write: async (bytes, offset) => (await writeBytes(fd, bytes, offset)).bytesWritten,
    refresh: async () => false,
    close() {},
    reopens: false,
  }
}

/**
 * A file that is appended to, made with mode 0600. Follows a rotation by rename or removal at the next `refresh`, and
 * one by copy and truncate by itself. An unfinished line that a killed process left behind is ended first.
 *
 * @throws the system's error when the file cannot be opened, except for a named pipe that has no reader yet
 */
export function appendedFile(path: string): LineTarget {
  let fd: number | undefined
  try {
    fd = openAppending(path)
  } catch (cause) {
    if (systemErrorCode(cause) !== 'ENXIO') throw cause
  }
  return {
    async write(bytes, offset) {
      if (fd === undefined) throw Object.assign(new Error('not open'), { code: 'ENXIO' })
      return (await writeBytes(fd, bytes, offset)).bytesWritten
    },
    async refresh(force) {
      if (!force && fd !== undefined && (await isOpenAt(path, fd))) return false
      const replacement = openAppending(path)
      if (fd !== undefined) closeSync(fd)
      fd = replacement
      return true
    },
    close() {
      if (fd !== undefined) closeSync(fd)
      fd = undefined
    },
    reopens: true,
  }
}

/** `ENOSPC`, `EPIPE` and the like; `UNKNOWN` for an error that did not come from the system. */
export function systemErrorCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'UNKNOWN'
}

function openAppending(path: string): number {
  // O_NONBLOCK is for named pipes: without it this call would wait for a reader.
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
  const fd = openSync(path, flags, 0o600)
  try {
    if (endsWithinLine(path, fd)) writeSync(fd, '\n')
  } catch (cause) {
    closeSync(fd)
    throw cause
  }
  return fd
}

function endsWithinLine(path: string, fd: number): boolean {
  const { size } = fstatSync(fd)
  if (size === 0) return false
  let readable: number
  try {
    readable = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return false // may be written but not read
  }
  try {
    const last = Buffer.alloc(1)
    return readSync(readable, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
  } finally {
    closeSync(readable)
  }
}

async function isOpenAt(path: string, fd: number): Promise<boolean> {
  try {
    const there = await stat(path)
    const open = fstatSync(fd)
    return there.ino === open.ino && there.dev === open.dev
  } catch {
    return false
  }
}
