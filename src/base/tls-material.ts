import { dirname } from 'node:path'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { type Clock, type EpochSeconds, systemClock } from './clock.ts'
import type { Log } from './log.ts'
import { readTlsFiles, type TlsFault, type TlsFiles, type TlsPem } from './tls-files.ts'
import { type WatchTimes, watchContent } from './watch-content.ts'

/** Certificates and a key from files that may change while they are used. */
export interface TlsMaterial {
  /** For a server's `setSecureContext`, which wants to be told everything each time. Holds the key: not for logs. */
  options(): SecureContextOptions
  /** For connections: made once from {@link options}, and shared. */
  context(): SecureContext
  /** The end of the own certificate; undefined without one. */
  expiresAt(): EpochSeconds | undefined
  /**
   * Calls a listener, which must not throw, each time there is other material. Connections that are open go on with what
   * they began with.
   *
   * @returns what takes the listener away again
   */
  onChange(listener: (material: TlsMaterial) => void): () => void
  /** Watches no more; what was read last stays. */
  close(): void
}

export interface TlsMaterialOptions extends WatchTimes {
  /** For the log, such as `listen.tls`. */
  readonly name: string
  readonly log: Log
  /** Default TLSv1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  readonly clock?: Clock
  /** How often files that could not be used are read again without having changed. Default one minute. */
  readonly retryMs?: number
}

/**
 * Reads the files and goes on watching them. Files that cannot be used are logged once, and the material before stays:
 * certificate and key are seldom replaced in the same moment, and an old certificate is better than none.
 *
 * @throws Error that names the files, when they cannot be used from the beginning
 */
export function createTlsMaterial(files: TlsFiles, options: TlsMaterialOptions): TlsMaterial {
  const { name, log, minVersion = 'TLSv1.2', clock = systemClock, retryMs = 60_000 } = options
  const paths = [files.cert, files.key, files.ca].filter(file => file !== undefined)
  const folders = paths.map(file => dirname(file))
  // Before they are read, so that no change falls in between.
  const watcher =
    paths.length === 0 ? undefined : watchContent({ files: () => paths, folders }, look, options)
  const first = readTlsFiles(files, clock.now())
  if (!first.ok) {
    watcher?.close()
    throw new Error(`${name}: ${describe(files, first.error)}`)
  }
  let current = make(first.value, minVersion)
  const listeners = new Set<(material: TlsMaterial) => void>()
  /** What is wrong with the files of now, as it was logged. */
  let trouble: string | undefined
  let isExpiryTold = false

  function look(): void {
    const read = readTlsFiles(files, clock.now())
    if (!read.ok) {
      const reason = describe(files, read.error)
      if (reason !== trouble) log.error('TLS files not usable; the ones before stay', { name, reason })
      trouble = reason
      return
    }
    trouble = undefined
    if (isSame(read.value, current.pem)) return
    current = make(read.value, minVersion)
    isExpiryTold = false
    log.info('TLS files read', { name, expires: isoTime(current.pem.expiresAt) })
    for (const listener of listeners) listener(material)
  }
  function tellExpiry(): void {
    const { expiresAt } = current.pem
    if (isExpiryTold || expiresAt === undefined || expiresAt > clock.now()) return
    isExpiryTold = true
    log.error('the TLS certificate has expired', { name, expired: isoTime(expiresAt) })
  }
  const check = setInterval(() => {
    if (trouble !== undefined) look()
    tellExpiry()
  }, retryMs).unref()

  const material: TlsMaterial = {
    options: () => current.options,
    context: () => current.context,
    expiresAt: () => current.pem.expiresAt,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      watcher?.close()
      clearInterval(check)
      listeners.clear()
    },
  }
  return material
}

interface Made {
  readonly pem: TlsPem
  readonly options: SecureContextOptions
  readonly context: SecureContext
}

function make(pem: TlsPem, minVersion: 'TLSv1.2' | 'TLSv1.3'): Made {
  const { cert, key, ca } = pem
  const options = { cert, key, ca, minVersion }
  return { pem, options: Object.freeze(options), context: createSecureContext(options) }
}

function isSame(a: TlsPem, b: TlsPem): boolean {
  return a.cert === b.cert && a.key === b.key && a.ca === b.ca
}

function describe(files: TlsFiles, faults: readonly TlsFault[]): string {
  return faults.map(({ part, wrong }) => `${files[part]} is a file that ${wrong}`).join('; ')
}

function isoTime(seconds: EpochSeconds | undefined): string | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString()
}
