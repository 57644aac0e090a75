import type { Clock } from '../../base/clock.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../base/http-message.ts'
import type { Log } from '../../base/log.ts'
import { TaskCount } from '../../base/task-count.ts'
import type { SidecarConfig } from '../../config/sidecar-config.ts'
import { createSigner, openSigningKeys } from '../../sts/signer.ts'
import { formatSigningKeys, type SigningKeys } from '../../sts/signing-keys.ts'
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
  readonly #keys = new Map<string | undefined, SigningKeys>()
  #current: Mounted

  /** @throws Error, without any key material, for a key file that cannot be used */
  constructor(
    config: SidecarConfig,
    deps: { readonly clock: Clock; readonly log: Log; readonly record: AssembledRecord },
  ) {
    this.#log = deps.log
    this.#kept = createKeptParts({ ...deps, signerOf: file => createSigner(this.#open(file)) })
    this.#current = this.#mount(config)
  }

  /** The keys of a file, or of no file, as a private JWK set: the same for as long as this process lives. */
  keysFor(file: string | undefined): string {
    return formatSigningKeys(this.#open(file))
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

  close(): Promise<void> {
    return this.#retire(this.#current)
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

  #open(file: string | undefined): SigningKeys {
    const keys = this.#keys.get(file) ?? openSigningKeys(file)
    this.#keys.set(file, keys)
    return keys
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'it cannot be assembled'
}
