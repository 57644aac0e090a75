import type { Clock } from '../../../base/clock.ts'
import type { HttpClient } from '../../../base/http-client.ts'
import type { Log } from '../../../base/log.ts'
import { fail, type MaybePromise, ok, type Result } from '../../../base/result.ts'
import { untilAborted } from '../../../base/until-aborted.ts'
import { fetchServerMetadata, type ServerMetadata } from '../../../tokens/server-metadata.ts'

export interface ServerLookupOptions {
  /** Issuer identifier. */
  readonly server: string
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
 * Finds an authorization server's endpoints by its metadata and remembers them. Metadata of ten minutes is fetched again
 * in the background; until that has worked, the last good one goes on. Whoever asks while a fetch is under way shares it,
 * and leaving it does not end it.
 */
export class ServerLookup {
  readonly #options: ServerLookupOptions
  #metadata: ServerMetadata | undefined
  #refreshAtMs = 0
  #flight: Promise<Result<ServerMetadata, string>> | undefined

  constructor(options: ServerLookupOptions) {
    this.#options = options
  }

  /** Answers at once when anything good is remembered. Waits no longer than the signal. The error is for the log. */
  find(signal: AbortSignal): MaybePromise<Result<ServerMetadata, string>> {
    if (this.#metadata === undefined) return this.#wait(signal)
    if (this.#options.clock.monotonicMs() >= this.#refreshAtMs) void this.#fetch()
    return ok(this.#metadata)
  }

  async #wait(signal: AbortSignal): Promise<Result<ServerMetadata, string>> {
    const found = await untilAborted(this.#fetch(), signal)
    return found ?? fail(`${this.#options.server}: no metadata within the time of the exchange`)
  }

  #fetch(): Promise<Result<ServerMetadata, string>> {
    this.#flight ??= this.#load().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #load(): Promise<Result<ServerMetadata, string>> {
    const { server, clock, log } = this.#options
    const found = await fetchServerMetadata(server, this.#options)
    this.#refreshAtMs = clock.monotonicMs() + (found.ok ? refreshMs : retryMs)
    if (found.ok) this.#metadata = found.value
    else if (this.#metadata !== undefined) {
      log.warn('server metadata not refreshed, the last good goes on', { server, reason: found.error })
    }
    return found
  }
}
