import { readFileSync, statSync } from 'node:fs'
import { channels } from '../base/channels.ts'
import type { Log } from '../base/log.ts'
import { fail, type Result } from '../base/result.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { findKey, type KeyIndex, readKeyIndex } from './key-index.ts'
import type { KeyFailure, KeySet, KeySetOptions } from './key-set.ts'
import type { UsableKey } from './verify-signature.ts'

const lookAgainMs = 1000
const slowCheckMs = 10_000

/**
 * Keys in a file. The file is looked at every ten seconds, and at most once a second when an unknown `kid` comes; it is
 * read when its identity, size or time changed, so a replaced file or symbolic link counts. File watching is not used:
 * it misses changes on mounted volumes. While the file cannot be read the last good set serves on, up to `maxStaleMs`.
 */
export class FileKeys implements KeySet {
  readonly #issuer: string
  readonly #file: string
  readonly #rules: IssuerRules
  readonly #log: Log
  readonly #options: KeySetOptions
  #index: KeyIndex | undefined
  #stamp = ''
  #goodAtMs = 0
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #trouble: string | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(rules: IssuerRules, file: string, log: Log, options: KeySetOptions) {
    this.#issuer = rules.issuer
    this.#file = file
    this.#rules = rules
    this.#log = log
    this.#options = options
  }

  find(algorithm: string, keyId: string | undefined): Result<UsableKey, KeyFailure> {
    const found = this.#findInMemory(algorithm, keyId)
    if (found.ok || found.error === 'ambiguous') return found
    if (this.#options.clock.monotonicMs() - this.#lookedAtMs < lookAgainMs) return found
    this.#look()
    return this.#findInMemory(algorithm, keyId)
  }

  holds(key: UsableKey): boolean {
    return this.#current()?.keys.has(key) ?? false
  }

  isAvailable(): boolean {
    return this.#current() !== undefined
  }

  async warm(): Promise<void> {
    this.#look()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
  }

  #current(): KeyIndex | undefined {
    const ageMs = this.#options.clock.monotonicMs() - this.#goodAtMs
    return ageMs > this.#options.maxStaleMs ? undefined : this.#index
  }

  #findInMemory(algorithm: string, keyId: string | undefined): Result<UsableKey, KeyFailure> {
    const index = this.#current()
    return index === undefined ? fail('unavailable') : findKey(index, algorithm, keyId)
  }

  #look(): void {
    if (this.#closed) return
    this.#timer ??= setInterval(() => this.#look(), slowCheckMs).unref()
    this.#lookedAtMs = this.#options.clock.monotonicMs()
    const stamp = this.#readStamp()
    if (stamp !== '' && stamp === this.#stamp) {
      if (this.#trouble === undefined) this.#goodAtMs = this.#lookedAtMs
      return
    }
    this.#stamp = stamp
    const index = this.#read()
    if (index.ok) {
      this.#index = index.value
      this.#goodAtMs = this.#lookedAtMs
      this.#trouble = undefined
      const { ignored, keys } = index.value
      this.#log.info('key file read', { issuer: this.#issuer, keys: keys.size, ignored })
    } else if (index.error !== this.#trouble) {
      this.#trouble = index.error
      this.#log.warn('key file not usable', { issuer: this.#issuer, file: this.#file, reason: index.error })
    }
    channels.keySet.publish({ issuer: this.#issuer, outcome: index.ok ? 'ok' : 'failed' })
  }

  /** Empty when the file cannot be looked at. */
  #readStamp(): string {
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(this.#file)
      return `${ino}:${size}:${mtimeMs}:${ctimeMs}`
    } catch {
      return ''
    }
  }

  #read(): Result<KeyIndex, string> {
    const { maxBytes, maxKeys, use } = this.#options
    let bytes: Buffer
    try {
      if (statSync(this.#file).size > maxBytes) return fail(`larger than ${maxBytes} bytes`)
      bytes = readFileSync(this.#file)
    } catch (cause) {
      return fail(cause instanceof Error && 'code' in cause ? String(cause.code) : 'not readable')
    }
    const { algorithms } = this.#rules
    return readKeyIndex(parseStrictJson(bytes), { algorithms, maxKeys, use }, this.#index)
  }
}
