import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { createHttpClient } from '../base/http-client.ts'
import type { HttpHandler } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import type { CacheConfig, SidecarConfig } from '../config/sidecar-config.ts'
import { createAccept } from '../hop/accept/accept.ts'
import { createRouteTable } from '../hop/accept/route-table.ts'
import { createTrustedProxies } from '../hop/accept/trusted-proxies.ts'
import { createAuthenticate } from '../hop/authenticate/authenticate.ts'
import { createAuthorize } from '../hop/authorize/authorize.ts'
import { createExchange } from '../hop/exchange/exchange.ts'
import { TokenExchanger } from '../hop/exchange/exchangers/token-exchange.ts'
import { LayeredCache } from '../hop/exchange/layered-cache.ts'
import { MemoryCache } from '../hop/exchange/memory-cache.ts'
import { RedisCache } from '../hop/exchange/redis-cache.ts'
import { createForward } from '../hop/forward/forward.ts'
import { createHop, type Hop } from '../hop/hop.ts'
import { createRefuse } from '../hop/refuse.ts'
import { createRefuseUnreadable, type RefuseUnreadable } from '../hop/unreadable.ts'
import { createRouteRules } from '../policy/route-rules.ts'
import { createMemoryReplayStore } from '../sts/memory-replay-store.ts'
import type { Signer } from '../sts/signer.ts'
import { createTokenService } from '../sts/token-service.ts'
import { createJwtVerifier } from '../tokens/verify-jwt.ts'
import type { AssembledRecord } from './record.ts'

/** A hop made from one configuration, with everything that it owns. */
export interface AssembledHop {
  readonly hop: Hop
  readonly refuseUnreadable: RefuseUnreadable
  /** The embedded token service, for the admin port; undefined when an authorization server is configured. */
  readonly tokenService: HttpHandler | undefined
  /** Fetches keys and metadata ahead of the first request. Never rejects. */
  warm(): Promise<void>
  /** Whether tokens can be verified: keys of an issuer were loaded. */
  isWarm(): boolean
  /** Lets requests under way end, then closes every connection that this hop holds. */
  close(): Promise<void>
}

export interface HopDependencies {
  readonly clock: Clock
  readonly log: Log
  readonly record: AssembledRecord
  /** Signs for the embedded token service; undefined when there is none. */
  readonly signer: Signer | undefined
  /** Upgraded connections, which outlive a reload. */
  readonly tunnels: Set<Socket>
}

/** Wires the stages of one configuration. */
export function assembleHop(
  config: SidecarConfig,
  { clock, log, record, signer, tunnels }: HopDependencies,
): AssembledHop {
  const { exchange: exchangeConfig, limits, timeouts } = config
  const local = new Map<string, HttpHandler>()
  const client = createHttpClient({ local })
  const tokenService =
    config.sts &&
    createTokenService(config.sts, {
      clock,
      log,
      client,
      replay: createMemoryReplayStore(clock),
      ...(signer !== undefined && { signer }),
      record: record.tokenEventsOf(config.sts.issuer),
    })
  if (config.sts !== undefined && tokenService !== undefined) {
    local.set(new URL(config.sts.issuer).origin, tokenService.handle)
  }

  const verifier = createJwtVerifier(config.issuers, {
    client,
    log,
    tokenBytes: limits.tokenBytes,
    keyOptions: { clock },
  })
  const exchanger = new TokenExchanger(exchangeConfig, { client, clock, log })
  const redis = createRedisTier(config.cache, log)
  const exchange = createExchange({
    cache: new LayeredCache(new MemoryCache(config.cache), redis),
    exchanger,
    context: {
      clientId: exchangeConfig.client.id,
      server: exchangeConfig.server,
      policyDigest: config.policyDigest,
    },
    timeoutMs: exchangeConfig.timeoutMs,
    negativeSeconds: exchangeConfig.negativeSeconds,
    clock,
  })
  const forward = createForward({
    upstream: config.upstream,
    realm: config.service,
    bodyBytes: limits.bodyBytes,
    connectTimeoutMs: timeouts.upstreamConnectMs,
    headersTimeoutMs: timeouts.upstreamHeadersMs,
    bodyTimeoutMs: timeouts.bodyIdleMs,
    websocketIdleMs: timeouts.websocketIdleMs,
    tunnels,
    clock,
    onUnauthorized: request => exchange.evict(request),
  })
  const stages = {
    accept: createAccept({
      routes: createRouteTable(config.routes),
      isTrustedProxy: createTrustedProxies(config.forwarded.trustedProxies),
      targetBytes: limits.targetBytes,
      headerCount: limits.headerCount,
      bodyBytes: limits.bodyBytes,
      pseudonym: `hopgate-${config.service}`,
    }),
    authenticate: createAuthenticate(verifier, clock),
    authorize: createAuthorize(createRouteRules(config.routes)),
    exchange,
    forward,
    record,
    refuse: createRefuse(config.service),
  }

  return {
    hop: createHop(stages, clock, log),
    refuseUnreadable: createRefuseUnreadable(stages.refuse, record, clock),
    tokenService: tokenService?.handle,
    async warm() {
      await Promise.all([verifier.warm(), exchanger.warm(), tokenService?.warm()])
    },
    isWarm: () => verifier.isReady(),
    async close() {
      await forward.close()
      exchanger.close()
      verifier.close()
      await Promise.all([redis?.close(), tokenService?.close(), client.close()])
    },
  }
}

function createRedisTier(config: CacheConfig, log: Log): RedisCache | undefined {
  if (config.redis === undefined) return undefined
  return new RedisCache({ url: config.redis, prefix: config.prefix, timeoutMs: config.timeoutMs, log })
}
