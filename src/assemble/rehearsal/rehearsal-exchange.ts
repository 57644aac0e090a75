import type { Clock } from '../../base/clock.ts'
import { createHttpClient } from '../../base/http-client.ts'
import { silentLog } from '../../base/log.ts'
import type { Result } from '../../base/result.ts'
import { Secret } from '../../base/secret.ts'
import type { ExchangeConfig, StsClient, StsConfig } from '../../config/sidecar-config.ts'
import { TokenExchanger } from '../../hop/exchange/exchangers/token-exchange.ts'
import type { TokenRequest } from '../../model/exchange-request.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { formatScope, type ScopeSet } from '../../oauth/scope-set.ts'
import type { ApprovalStore } from '../../policy/approval.ts'
import { endpointPaths } from '../../sts/endpoint-paths.ts'
import { createMemoryReplayStore } from '../../sts/memory-replay-store.ts'
import { createMemoryRevocationStore } from '../../sts/memory-revocation-store.ts'
import { createTokenService } from '../../sts/token-service.ts'
import type { TokenServiceEvent } from '../../sts/token-service-event.ts'
import { createClientAuthentication } from '../../tokens/client-authentication-methods.ts'
import { createTokenEndpoint } from '../../tokens/token-endpoint.ts'
import type { RehearsalKeys } from './rehearsal-keys.ts'

export interface RehearsalExchangeOptions {
  readonly exchange: ExchangeConfig
  /** The token service that is asked, whose issuer is `exchange.server`. Its clients have {@link rehearsalClient}'s secret. */
  readonly sts: StsConfig
  readonly keys: RehearsalKeys
  readonly clock: Clock
  readonly approvals: ApprovalStore | undefined
}

/** The exchange, with a token service in this process. A refusal says why the token service has refused. */
export interface RehearsalExchange extends AsyncDisposable {
  /** Who asks, and whose token it is when a machine asks for itself. */
  readonly clientId: string
  exchange(request: TokenRequest): Promise<Result<IssuedToken, Refusal>>
  /** Asks for a token for the client itself (RFC 6749 §4.4), and answers what the token service recorded. */
  askForItself(audience: string, scope: ScopeSet): Promise<TokenServiceEvent | undefined>
}

const secret = new Secret('a secret between two parts of one process')

/** How a client authenticates at the token service of a rehearsal. */
export const rehearsalAuthentication: StsClient['authentication'] = {
  kind: 'secret',
  secrets: [{ kind: 'plain', text: secret }],
  methods: ['client_secret_basic'],
}

/** Wires the exchanger of a hop and the token service to each other. Whatever else they would fetch is not to be had. */
export function createRehearsalExchange(options: RehearsalExchangeOptions): RehearsalExchange {
  const { sts, keys, clock, approvals } = options
  const events: TokenServiceEvent[] = []
  const nowhere = createHttpClient()
  const service = createTokenService(sts, {
    clock,
    log: silentLog,
    client: nowhere,
    replay: createMemoryReplayStore(clock),
    revocations: createMemoryRevocationStore(clock),
    signer: keys.signer,
    ...(approvals !== undefined && { approvals }),
    record: event => events.push(event),
  })
  const client = createHttpClient({ local: new Map([[new URL(sts.issuer).origin, service.handle]]) })
  const config: ExchangeConfig = {
    ...options.exchange,
    client: { id: options.exchange.client.id, authentication: 'client_secret_basic', secret },
    algorithms: ['ES256'],
    // What is to be known is how long a token lives, not how long before its end it is not used any more.
    marginSeconds: 0,
    tls: undefined,
    plaintext: true,
  }
  const exchanger = new TokenExchanger(config, { client, clock, log: silentLog })
  const { timeoutMs } = config
  return {
    clientId: config.client.id,
    async exchange(request) {
      const issued = await exchanger.exchange(request, AbortSignal.timeout(timeoutMs))
      const said = events.at(-1)?.detail
      if (issued.ok || said === undefined) return issued
      const { code, ...more } = issued.error
      return { ok: false, error: { ...more, ...refusal(code, `the token service: ${said}`) } }
    },
    async askForItself(audience, scope) {
      const ask = createTokenEndpoint({
        client,
        authenticate: createClientAuthentication(config.client, clock),
        clock,
      })
      const { tokenUrl } = endpointPaths(sts.issuer)
      await ask({
        server: { issuer: sts.issuer, tokenEndpoint: new URL(tokenUrl) },
        parameters: {
          grant_type: grantType.clientCredentials,
          audience,
          scope: formatScope(scope) || undefined,
        },
        timeoutMs,
        signal: AbortSignal.timeout(timeoutMs),
      })
      return events.at(-1)
    },
    async [Symbol.asyncDispose]() {
      exchanger.close()
      await Promise.all([client.close(), nowhere.close(), service.close()])
    },
  }
}
