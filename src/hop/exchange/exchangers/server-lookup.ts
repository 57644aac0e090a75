import type { Clock } from '../../../base/clock.ts'
import type { HttpClient } from '../../../base/http-client.ts'
import type { Log } from '../../../base/log.ts'
import { fail, type MaybePromise, ok, type Result } from '../../../base/result.ts'
import { untilAborted } from '../../../base/until-aborted.ts'
import type { TokenServer } from '../../../tokens/client-authentication.ts'
import { fetchServerMetadata, readTokenServer } from '../../../tokens/server-metadata.ts'

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
 * Finds an authorization server's token endpoint by its metadata and remembers it. After ten minutes it is looked for
 * again in the background; until that has worked, the last good one goes on. Whoever asks while a fetch is under way
 * shares it, and leaving it does not end it.
 */
export class ServerLookup {
  readonly #options: ServerLookupOptions
  #server: TokenServer | undefined
  #refreshAtMs = 0
  #flight: Promise<Result<TokenServer, string>> | undefined

  constructor(options: ServerLookupOptions) {
    this.#options = options
  }

  /** Answers at once when anything good is remembered. Waits no longer than the signal. The error is for the log. */
  find(signal: AbortSignal): MaybePromise<Result<TokenServer, string>> {
    if (this.#server === undefined) return this.#wait(signal)
    if (this.#options.clock.monotonicMs() >= this.#refreshAtMs) void this.#fetch()
    return ok(this.#server)
  }

  async #wait(signal: AbortSignal): Promise<Result<TokenServer, string>> {
    const found = await untilAborted(this.#fetch(), signal)
    return found ?? fail(`${this.#options.server}: no metadata within the time of the exchange`)
  }

  #fetch(): Promise<Result<TokenServer, string>> {
    this.#flight ??= this.#load().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #load(): Promise<Result<TokenServer, string>> {
    const { server, clock, log } = this.#options
    const found = await fetchServerMetadata(server, readTokenServer, this.#options)
    this.#refreshAtMs = clock.monotonicMs() + (found.ok ? refreshMs : retryMs)
    if (found.ok) this.#server = found.value
    else if (this.#server !== undefined) {
      log.warn('server metadata not refreshed, the last good goes on', { server, reason: found.error })
    }
    return found
  }
}
