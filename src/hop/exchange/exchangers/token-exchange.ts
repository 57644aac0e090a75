import { Breaker, type BreakerState, type Pass } from '../../../base/breaker.ts'
import { channels } from '../../../base/channels.ts'
import type { Clock } from '../../../base/clock.ts'
import type { HttpClient } from '../../../base/http-client.ts'
import type { Log } from '../../../base/log.ts'
import { fail, type Result } from '../../../base/result.ts'
import { untilAborted } from '../../../base/until-aborted.ts'
import type { ExchangeConfig, IssuerRules } from '../../../config/sidecar-config.ts'
import type { TokenRequest } from '../../../model/exchange-request.ts'
import type { IssuedToken } from '../../../model/issued-token.ts'
import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { TokenServer } from '../../../tokens/client-authentication.ts'
import { createClientAuthentication } from '../../../tokens/client-authentication-methods.ts'
import { usesCertificate } from '../../../tokens/client-certificate.ts'
import { createIssuerKeys } from '../../../tokens/issuer-keys.ts'
import type { KeySet } from '../../../tokens/key-set.ts'
import { ServerLookup } from '../../../tokens/server-lookup.ts'
import { readMtlsTokenServer, readTokenServer } from '../../../tokens/server-metadata.ts'
import { createTokenEndpoint, type TokenEndpoint } from '../../../tokens/token-endpoint.ts'
import { checkIssuedToken, type IssuedTokenRules } from '../contract.ts'
import { clientCredentialsForm } from './client-credentials.ts'
import { exchangeForm } from './exchange-form.ts'
import type { Exchanger } from './exchanger.ts'

export interface TokenExchangerDependencies {
  readonly client: HttpClient
  readonly clock: Clock
  readonly log: Log
  /** The server's keys when they are at hand; else they are fetched. */
  readonly keys?: KeySet | undefined
  /** Opens after this many failures in a row, for this long. Default 5 and 5000. */
  readonly breaker?: { readonly failures: number; readonly openMs: number }
}

/**
 * The exchanger for RFC 8693: subject token, one audience, and only what was permitted. The server's endpoints and keys
 * come from its metadata. What is the workload's own is asked for by client credentials, in the same place. Who acts is who authenticates, unless a person with a token of their own does.
 */
export class TokenExchanger implements Exchanger {
  readonly #config: ExchangeConfig
  readonly #clock: Clock
  readonly #lookup: ServerLookup<TokenServer>
  readonly #endpoint: TokenEndpoint
  readonly #keys: KeySet
  readonly #rules: IssuedTokenRules
  readonly #breaker: Breaker

  constructor(config: ExchangeConfig, { client, clock, log, keys, breaker }: TokenExchangerDependencies) {
    this.#config = config
    this.#clock = clock
    const { server, plaintext, timeoutMs } = config
    const read = usesCertificate(config.client.authentication) ? readMtlsTokenServer : readTokenServer
    this.#lookup = new ServerLookup({ server, read, client, plaintext, timeoutMs, clock, log })
    const authenticate = createClientAuthentication(config.client, clock)
    this.#endpoint = createTokenEndpoint({ client, authenticate, clock })
    const options = { clock, timeoutMs: Math.min(timeoutMs, 3000) }
    this.#keys = keys ?? createIssuerKeys(keyRules(config), { client, log, options })
    this.#rules = {
      server,
      clientId: config.client.id,
      actor: config.actor,
      algorithms: config.algorithms,
      keys: this.#keys,
      marginSeconds: config.marginSeconds,
    }
    this.#breaker = new Breaker({ failures: 5, openMs: 5000, ...breaker, clock, announce })
  }

  /** Fetches the server's metadata and keys ahead of the first exchange. Never rejects; nothing needs to wait for it. */
  async warm(): Promise<void> {
    await Promise.all([this.#lookup.find(AbortSignal.timeout(this.#config.timeoutMs)), this.#keys.warm()])
  }

  /** The server's keys: what else it signs is verified with the same ones. */
  get keys(): KeySet {
    return this.#keys
  }

  /** Stops fetching keys. */
  close(): void {
    this.#keys.close()
  }

  async exchange(request: TokenRequest, signal: AbortSignal): Promise<Result<IssuedToken, Refusal>> {
    const admitted = this.#breaker.admit()
    if (!admitted.ok) {
      return unavailable('the circuit breaker of the token endpoint is open', admitted.error)
    }
    const pass = admitted.value
    try {
      const server = await this.#lookup.find(signal)
      if (!server.ok) {
        pass.settle('failed')
        return unavailable(server.error)
      }
      const exchanged = this.#ask(server.value, request, signal, pass)
      return (await untilAborted(exchanged, signal)) ?? unavailable('the exchange took too long')
    } finally {
      // Whoever answered has settled before; what is left ended without an answer.
      pass.settle('failed')
    }
  }

  async #ask(
    server: TokenServer,
    request: TokenRequest,
    signal: AbortSignal,
    pass: Pass,
  ): Promise<Result<IssuedToken, Refusal>> {
    const askedAt = this.#clock.now()
    const answer = await this.#endpoint({
      server,
      parameters:
        request.mode === 'machine'
          ? clientCredentialsForm(request)
          : exchangeForm(request, token => token.expose()),
      timeoutMs: this.#config.timeoutMs,
      signal,
    })
    const isDown = !answer.ok && answer.error.code === 'exchange.unavailable'
    pass.settle(isDown ? 'failed' : 'answered', answer.ok ? undefined : answer.error.retryAfterSeconds)
    if (!answer.ok) return answer
    return checkIssuedToken(answer.value, request, this.#rules, askedAt, this.#clock.now())
  }
}

/** The server's keys are looked for like any issuer's; what such rules say about claims is the contract's business. */
function keyRules(config: ExchangeConfig): IssuerRules {
  return {
    issuer: config.server,
    audience: [],
    algorithms: config.algorithms,
    keys: { kind: 'discovery' },
    types: [],
    leewaySeconds: 0,
    maxLifetimeSeconds: 0,
    maxActorDepth: 0,
    plaintext: config.plaintext,
  }
}

function announce(state: BreakerState): void {
  channels.breaker.publish({ state })
}

function unavailable(detail: string, retryAfterSeconds?: number): Result<never, Refusal> {
  return fail({
    ...refusal('exchange.unavailable', detail),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}
