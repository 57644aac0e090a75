import type { Clock } from '../../base/clock.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../base/http-message.ts'
import type { Log } from '../../base/log.ts'
import { TaskCount } from '../../base/task-count.ts'
import type { SidecarConfig, StsConfig } from '../../config/sidecar-config.ts'
import { type OpenSigner, openSigner } from '../../sts/open-signer.ts'
import { formatSigningKeys } from '../../sts/signing-keys.ts'
import type { TokenService } from '../../sts/token-service.ts'
import { createKeptParts, type KeptParts } from '../kept-parts.ts'
import type { AssembledRecord } from '../record.ts'
import { type Made, makeOwning } from '../shared-part.ts'

interface Mounted {
  readonly made: Made<TokenService | undefined>
  readonly underWay: TaskCount
}

/**
 * The embedded token service of the admin port, beside those in the workers. All sign with the same keys, and this
 * process opens them; only here tokens are asked for from outside, so that what may be used once is remembered in one
 * place.
 */
export class AdminTokenService {
  readonly #log: Log
  readonly #kept: KeptParts
  readonly #clock: Clock
  readonly #record: AssembledRecord
  readonly #onKeys: () => void
  readonly #signers = new Map<string | undefined, OpenSigner>()
  #current: Mounted

  /**
   * @param onKeys called when the keys of a file that is in use have become others
   * @throws Error, without any key material, for a key file that cannot be used
   */
  constructor(
    config: SidecarConfig,
    deps: { readonly clock: Clock; readonly log: Log; readonly record: AssembledRecord },
    onKeys: () => void,
  ) {
    this.#log = deps.log
    this.#clock = deps.clock
    this.#record = deps.record
    this.#onKeys = onKeys
    this.#kept = createKeptParts({ ...deps, signerOf: sts => this.#open(sts) })
    this.#current = this.#mount(config)
  }

  /** The keys that a token service signs with, as a private JWK set. */
  keysFor(sts: StsConfig): string {
    return formatSigningKeys(this.#open(sts).signer.keys())
  }

  readonly handle: HttpHandler = (request: HttpRequest): Promise<HttpResponse | undefined> => {
    const { made, underWay } = this.#current
    return made.part === undefined ? Promise.resolve(undefined) : underWay.add(made.part.handle(request))
  }

  /** Fetches ahead of the first request what tokens are verified with. Never rejects. */
  async warm(): Promise<void> {
    await this.#current.made.part?.warm()
  }

  /**
   * Goes over to another configuration, and back when the workers do not follow. Its keys are published before anybody
   * signs with them.
   *
   * @returns why not
   */
  async replace(
    config: SidecarConfig,
    tellWorkers: () => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const before = this.#current
    try {
      this.#current = this.#mount(config)
    } catch (cause) {
      return describe(cause)
    }
    const rejected = await tellWorkers().catch(describe)
    const replaced = rejected === undefined ? before : this.#current
    if (rejected !== undefined) this.#current = before
    void this.warm()
    this.#retire(replaced).catch((error: unknown) =>
      this.#log.error('the token service before did not close', { error }),
    )
    return rejected
  }

  async close(): Promise<void> {
    await this.#retire(this.#current)
    for (const signer of this.#signers.values()) signer.close()
  }

  #mount(config: SidecarConfig): Mounted {
    return {
      made: makeOwning(parts => this.#kept.issuance(config, parts).tokenService),
      underWay: new TaskCount(),
    }
  }

  async #retire({ made, underWay }: Mounted): Promise<void> {
    await underWay.idle()
    await made.owned.disposeAsync()
  }

  #open(sts: StsConfig): OpenSigner {
    const known = this.#signers.get(sts.keys)
    if (known !== undefined) return known
    const record = this.#record.keyEventsOf(sts.issuer)
    const opened = openSigner(sts, {
      clock: this.#clock,
      log: this.#log,
      onChange: change => {
        record(change)
        this.#onKeys()
      },
    })
    this.#signers.set(sts.keys, opened)
    return opened
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'it cannot be assembled'
}
