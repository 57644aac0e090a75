import type { Clock } from '../base/clock.ts'
import type { HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import { fail, type MaybePromise, ok, type Result } from '../base/result.ts'
import { untilAborted } from '../base/until-aborted.ts'
import { fetchServerMetadata, type MetadataReader } from './server-metadata.ts'

export interface ServerLookupOptions<T> {
  /** Issuer identifier. */
  readonly server: string
  /** Takes from the metadata what is looked for. */
  readonly read: MetadataReader<T>
  readonly client: HttpClient
  readonly plaintext: boolean
  /** For one look-up. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Log
}

const refreshMs = 600_000
const retryMs = 30_000

/**
 * Finds an endpoint of an authorization server by its metadata and remembers it. After ten minutes it is looked for
 * again in the background; until that has worked, the last good one goes on. Whoever asks while a fetch is under way
 * shares it, and leaving it does not end it.
 */
export class ServerLookup<T> {
  readonly #options: ServerLookupOptions<T>
  #found: { readonly endpoint: T } | undefined
  #refreshAtMs = 0
  #flight: Promise<Result<T, string>> | undefined

  constructor(options: ServerLookupOptions<T>) {
    this.#options = options
  }

  /** Answers at once when anything good is remembered. Waits no longer than the signal. The error is for the log. */
  find(signal: AbortSignal): MaybePromise<Result<T, string>> {
    if (this.#found === undefined) return this.#wait(signal)
    if (this.#options.clock.monotonicMs() >= this.#refreshAtMs) void this.#fetch()
    return ok(this.#found.endpoint)
  }

  async #wait(signal: AbortSignal): Promise<Result<T, string>> {
    const found = await untilAborted(this.#fetch(), signal)
    return found ?? fail(`${this.#options.server}: no metadata in time`)
  }

  #fetch(): Promise<Result<T, string>> {
    this.#flight ??= this.#load().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #load(): Promise<Result<T, string>> {
    const { server, read, clock, log } = this.#options
    const found = await fetchServerMetadata(server, read, this.#options)
    this.#refreshAtMs = clock.monotonicMs() + (found.ok ? refreshMs : retryMs)
    if (found.ok) this.#found = { endpoint: found.value }
    else if (this.#found !== undefined) {
      log.warn('server metadata not refreshed, the last good goes on', { server, reason: found.error })
    }
    return found
  }
}
