import { channels } from '../base/channels.ts'
import { type HttpClient, HttpClientError } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import { fail, type MaybePromise, ok, type Result } from '../base/result.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { isAcceptableTransport } from '../base/transport.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { findKey, type KeyIndex, readKeyIndex } from './key-index.ts'
import type { KeyFailure, KeySet, KeySetOptions } from './key-set.ts'
import { fetchServerMetadata, readKeyLocation } from './server-metadata.ts'
import type { UsableKey } from './verify-signature.ts'

const firstRetryMs = 1000

/**
 * Keys that an issuer publishes over HTTP. One fetch at a time, which everybody who needs it shares, so an older answer
 * can never replace a newer one. An unknown `kid` asks for at most one fetch per cool-down, whoever sends how many. The
 * set is fetched again in the background when it reaches its refresh age, or the `max-age` that the issuer gave it when
 * that is less, so that a key that was withdrawn is known by then; when that fails the last good one serves on, up to
 * `maxStaleMs`. After a failure attempts start a second apart and slow down to the cool-down: one that was lost must not
 * make every token of a new key wait that long.
 */
export class RemoteKeys implements KeySet {
  readonly #rules: IssuerRules
  readonly #client: HttpClient
  readonly #log: Log
  readonly #options: KeySetOptions
  readonly #closing = new AbortController()
  #index: KeyIndex | undefined
  #loadedAtMs = 0
  #attemptedAtMs = Number.NEGATIVE_INFINITY
  /** When a key that was not there last asked for a fetch. */
  #missedAtMs = Number.NEGATIVE_INFINITY
  #failures = 0
  #flight: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(rules: IssuerRules, client: HttpClient, log: Log, options: KeySetOptions) {
    this.#rules = rules
    this.#client = client
    this.#log = log
    this.#options = options
  }

  find(algorithm: string, keyId: string | undefined): MaybePromise<Result<UsableKey, KeyFailure>> {
    const found = this.#findInMemory(algorithm, keyId)
    if (found.ok || found.error === 'ambiguous') return found
    if (this.#flight === undefined) {
      if (!this.#mayFetch()) return found
      this.#missedAtMs = this.#options.clock.monotonicMs()
    }
    return this.#fetch().then(() => this.#findInMemory(algorithm, keyId))
  }

  holds(key: UsableKey): boolean {
    return this.#current()?.keys.has(key) ?? false
  }

  isAvailable(): boolean {
    return this.#current() !== undefined
  }

  async warm(): Promise<void> {
    if (this.#index === undefined && this.#mayFetch()) await this.#fetch()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort()
  }

  /** The set in memory, unless it is too old to be believed. */
  #current(): KeyIndex | undefined {
    const ageMs = this.#options.clock.monotonicMs() - this.#loadedAtMs
    return ageMs > this.#options.maxStaleMs ? undefined : this.#index
  }

  #findInMemory(algorithm: string, keyId: string | undefined): Result<UsableKey, KeyFailure> {
    const index = this.#current()
    return index === undefined ? fail('unavailable') : findKey(index, algorithm, keyId)
  }

  #mayFetch(): boolean {
    if (this.#closing.signal.aborted) return false
    // A fetch that nobody asked for, such as the refresh, must not keep a new key unknown until the cool-down is over.
    const sinceMs = this.#failures > 0 ? this.#attemptedAtMs : this.#missedAtMs
    return this.#options.clock.monotonicMs() - sinceMs >= this.#pauseMs()
  }

  #pauseMs(): number {
    if (this.#failures === 0) return this.#options.coolDownMs
    return Math.min(this.#options.coolDownMs, firstRetryMs * 2 ** (this.#failures - 1))
  }

  #fetch(): Promise<void> {
    this.#flight ??= this.#load().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #load(): Promise<void> {
    clearTimeout(this.#timer)
    this.#attemptedAtMs = this.#options.clock.monotonicMs()
    const loaded = await this.#request()
    if (this.#closing.signal.aborted) return
    const { issuer } = this.#rules
    if (loaded.ok) {
      this.#announce(loaded.value.index)
      this.#index = loaded.value.index
      this.#loadedAtMs = this.#options.clock.monotonicMs()
      this.#failures = 0
    } else {
      this.#failures++
      const serving = this.#current() === undefined ? 'nothing' : 'the last good set'
      this.#log.warn('key set not fetched', { issuer, reason: loaded.error, serving })
    }
    channels.keySet.publish({ issuer, outcome: loaded.ok ? 'ok' : 'failed' })
    const nextMs = loaded.ok ? this.#refreshMs(loaded.value.maxAgeMs) : this.#pauseMs()
    this.#timer = setTimeout(() => void this.#fetch(), nextMs).unref()
  }

  #refreshMs(maxAgeMs: number): number {
    const { refreshMs, coolDownMs } = this.#options
    return Math.min(refreshMs, Math.max(coolDownMs, maxAgeMs))
  }

  #announce(index: KeyIndex): void {
    const { issuer } = this.#rules
    if (this.#index?.ignored.join() === index.ignored.join() && this.#failures === 0) return
    this.#log.info('key set fetched', { issuer, keys: index.keys.size, ignored: index.ignored })
  }

  async #request(): Promise<Result<{ readonly index: KeyIndex; readonly maxAgeMs: number }, string>> {
    const deadlineMs = performance.now() + this.#options.timeoutMs
    try {
      const uri = await this.#locate()
      if (!uri.ok) return uri
      const response = await this.#client.send({
        method: 'GET',
        url: uri.value,
        headers: { accept: 'application/jwk-set+json, application/json' },
        timeoutMs: Math.max(1, Math.ceil(deadlineMs - performance.now())),
        maxBytes: this.#options.maxBytes,
        signal: this.#closing.signal,
      })
      const address = `${uri.value.origin}${uri.value.pathname}`
      if (response.status !== 200) return fail(`${address}: status ${response.status}`)
      const { algorithms } = this.#rules
      const rules = { algorithms, maxKeys: this.#options.maxKeys, use: this.#options.use }
      const index = readKeyIndex(parseStrictJson(response.body), rules, this.#index)
      if (!index.ok) return fail(`${address}: ${index.error}`)
      return ok({ index: index.value, maxAgeMs: readMaxAgeMs(response.headers.get('cache-control')) })
    } catch (cause) {
      // Whatever went wrong, requests wait for this flight and get their answer from what is in memory.
      return fail(cause instanceof HttpClientError ? cause.message : 'unexpected error')
    }
  }

  async #locate(): Promise<Result<URL, string>> {
    const { issuer, keys, plaintext } = this.#rules
    if (keys.kind === 'jwks_uri') {
      return isAcceptableTransport(keys.uri, plaintext) ? ok(keys.uri) : fail('jwks_uri is not https')
    }
    return fetchServerMetadata(issuer, readKeyLocation, {
      client: this.#client,
      plaintext,
      timeoutMs: this.#options.timeoutMs,
      signal: this.#closing.signal,
    })
  }
}

/** RFC 9111 §5.2.2.1. Without one nothing is known. */
function readMaxAgeMs(cacheControl = ''): number {
  const seconds = /(?:^|,)\s*max-age="?(\d{1,9})"?\s*(?:,|$)/i.exec(cacheControl)?.[1]
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1000
}
