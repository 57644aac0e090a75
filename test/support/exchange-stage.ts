import { systemClock } from '../../src/base/clock.ts'
import { createHttpClient } from '../../src/base/http-client.ts'
import { createLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { ExchangeConfig } from '../../src/config/sidecar-config.ts'
import type { CacheKeyContext } from '../../src/hop/exchange/cache-key.ts'
import { createExchange, type Exchange } from '../../src/hop/exchange/exchange.ts'
import { TokenExchanger } from '../../src/hop/exchange/exchangers/token-exchange.ts'
import { LayeredCache } from '../../src/hop/exchange/layered-cache.ts'
import { MemoryCache } from '../../src/hop/exchange/memory-cache.ts'
import type { RedisCache } from '../../src/hop/exchange/redis-cache.ts'
import { startAuthorizationServer, type TestAuthorizationServer } from './authorization-server.ts'

/** The whole exchange stage in front of an authorization server that does as the test says. */
export interface TestExchangeStage {
  readonly server: TestAuthorizationServer
  readonly exchange: Exchange
  /** Every log line so far. */
  readonly log: readonly string[]
  close(): Promise<void>
}

export interface ExchangeStageOptions {
  readonly redis?: RedisCache
  readonly breaker?: { readonly failures: number; readonly openMs: number }
  /** A server that is already there, as for a second replica; it is not closed with the stage. */
  readonly server?: TestAuthorizationServer
  readonly context?: Partial<CacheKeyContext>
}

export async function startExchangeStage(
  about: Partial<ExchangeConfig> = {},
  { redis, breaker, server: shared, context = {} }: ExchangeStageOptions = {},
): Promise<TestExchangeStage> {
  const server = shared ?? (await startAuthorizationServer())
  const client = createHttpClient()
  const log: string[] = []
  const config: ExchangeConfig = {
    server: server.issuer,
    client: { id: 'orders', authentication: 'client_secret_basic', secret: new Secret('secret-canary') },
    timeoutMs: 2000,
    tls: undefined,
    marginSeconds: 10,
    negativeSeconds: 5,
    actor: 'required',
    algorithms: ['ES256'],
    plaintext: false,
    ...about,
  }
  const exchanger = new TokenExchanger(config, {
    client,
    clock: systemClock,
    log: createLog('test', line => log.push(line)),
    ...(breaker !== undefined && { breaker }),
  })
  const memory = new MemoryCache({ maxEntries: 1000, maxBytes: 10_000_000 })
  const whole = { clientId: config.client.id, server: config.server, policyDigest: 'test', ...context }
  const exchange = createExchange({
    cache: new LayeredCache(memory, redis),
    exchanger,
    context: () => whole,
    timeoutMs: config.timeoutMs,
    negativeSeconds: config.negativeSeconds,
    clock: systemClock,
  })
  return {
    server,
    exchange,
    log,
    async close() {
      exchanger.close()
      await client.close()
      if (shared === undefined) await server.close()
    },
  }
}
