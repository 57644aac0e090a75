import { channels } from '../base/channels.ts'
import type { Clock } from '../base/clock.ts'
import { createHttpClient } from '../base/http-client.ts'
import type { HttpHandler } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import { TaskCount } from '../base/task-count.ts'
import type { SidecarConfig } from '../config/sidecar-config.ts'
import type { LoadMonitor } from '../hop/accept/load-monitor.ts'
import { createAuthenticateTransaction } from '../hop/authenticate/authenticate-transaction.ts'
import { createRemoteDecisions } from '../hop/authorize/remote/remote-decisions.ts'
import { createExchange } from '../hop/exchange/exchange.ts'
import { createForward } from '../hop/forward/forward.ts'
import type { OpenTunnels } from '../hop/forward/open-tunnels.ts'
import { createHop, type Hop } from '../hop/hop.ts'
import { createRefuse } from '../hop/refuse.ts'
import { createRefuseUnreadable, type RefuseUnreadable } from '../hop/unreadable.ts'
import type { KeySet } from '../tokens/key-set.ts'
import { createTransactionTokenVerifier, type VerifyTransactionToken } from '../tokens/transaction-token.ts'
import { createCacheContext } from './cache-context.ts'
import { createDecidingStages, type DecidingDependencies } from './deciding-stages.ts'
import { describeResource } from './describe-resource.ts'
import type { KeptParts } from './kept-parts.ts'
import type { AssembledRecord } from './record.ts'
import { makeOwning } from './shared-part.ts'

/** A hop made from one configuration. */
export interface AssembledHop {
  readonly hop: Hop
  readonly refuseUnreadable: RefuseUnreadable
  /** The embedded token service, for the admin port; undefined when an authorization server is configured. */
  readonly tokenService: HttpHandler | undefined
  /** Fetches keys and metadata ahead of the first request. Never rejects. */
  warm(): Promise<void>
  /** Whether tokens can be verified: keys of an issuer were loaded. */
  isWarm(): boolean
  /** Lets what is under way end, then closes. To be called when nothing new comes. */
  retire(): Promise<void>
  /** Lets go of every part that no other hop uses, and waits only for what upstream is answering. */
  close(): Promise<void>
}

export interface HopDependencies {
  readonly clock: Clock
  readonly log: Log
  readonly record: AssembledRecord
  readonly kept: KeptParts
  readonly load: LoadMonitor
  readonly tunnels: OpenTunnels
}

/**
 * Wires the stages of one configuration.
 *
 * @throws Error, without secrets, for a configuration that cannot be used; nothing is left open then
 */
export function assembleHop(config: SidecarConfig, dependencies: HopDependencies): AssembledHop {
  const underWay = new TaskCount()
  const { part, owned } = makeOwning(parts => wireHop(config, dependencies, parts))
  const { hop, refuseUnreadable, tokenService, warm, isWarm } = part
  const close = (): Promise<void> => owned.disposeAsync()
  return {
    hop: caller => underWay.add(hop(caller)),
    refuseUnreadable,
    tokenService: tokenService && (request => underWay.add(tokenService(request))),
    warm,
    isWarm,
    async retire() {
      await underWay.idle()
      await close()
    },
    close,
  }
}

function wireHop(
  config: SidecarConfig,
  { clock, log, record, kept, load, tunnels }: HopDependencies,
  parts: AsyncDisposableStack,
): Omit<AssembledHop, 'retire' | 'close'> {
  const { exchange: exchangeConfig, limits, timeouts } = config
  const issuance = kept.issuance(config, parts)
  const verifiers = kept.verifiers(config, issuance, parts)
  const { exchanger, tokenService, signer } = issuance
  const exchange = createExchange({
    cache: kept.cache(config, parts),
    exchanger,
    context: createCacheContext(config, signer),
    timeoutMs: exchangeConfig.timeoutMs,
    negativeSeconds: exchangeConfig.negativeSeconds,
    clock,
  })
  const resourceMetadata = describeResource(config)
  const space = { realm: config.service, resourceMetadata: resourceMetadata?.url }
  const forward = createForward({
    upstream: config.upstream.url,
    protocol: config.upstream.protocol,
    trust: kept.upstreamTrust(config, parts),
    space,
    bodyBytes: limits.bodyBytes,
    connectTimeoutMs: timeouts.upstreamConnectMs,
    headersTimeoutMs: timeouts.upstreamHeadersMs,
    bodyTimeoutMs: timeouts.bodyIdleMs,
    websocketIdleMs: timeouts.websocketIdleMs,
    tunnels,
    clock,
    onUnauthorized: request => exchange.evict(request),
  })
  parts.defer(() => forward.close())
  if (config.policy !== undefined) channels.policy.publish({ digest: config.policy.digest })
  const stages = {
    ...createDecidingStages(config, {
      verifiers,
      clock,
      overload: () => load.overload(),
      approvals: kept.approvals(config, parts),
      resourceMetadata,
      withDecisionPoints: createDecisionPoints(config, { clock, log }, parts),
    }),
    authenticateTransaction: createAuthenticateTransaction(
      createTransactionVerifier(config, exchanger.keys),
      clock,
    ),
    exchange,
    forward,
    record,
    refuse: createRefuse(space),
  }
  const ways = new Set(config.routes.flatMap(route => (route.kind === 'protected' ? [route.verify] : [])))

  return {
    hop: createHop(stages, clock, log),
    refuseUnreadable: createRefuseUnreadable(stages.refuse, record, clock),
    tokenService: tokenService?.handle,
    async warm() {
      await Promise.all([verifiers.warm(ways), exchanger.warm(), tokenService?.warm()])
    },
    isWarm: () => verifiers.isReady(ways),
  }
}

/** The decision points of others, where the configuration has any. */
function createDecisionPoints(
  { service, environment, decisionPoints: points }: SidecarConfig,
  { clock, log }: Pick<HopDependencies, 'clock' | 'log'>,
  parts: AsyncDisposableStack,
): DecidingDependencies['withDecisionPoints'] {
  if (points.length === 0) return undefined
  const client = createHttpClient()
  parts.defer(() => client.close())
  return local => createRemoteDecisions(local, { service, environment, points, client, clock, log })
}

/** Transaction Tokens are those of the authorization server, which is the one token service of the trust domain. */
function createTransactionVerifier(
  { context, exchange, limits }: SidecarConfig,
  keys: KeySet,
): VerifyTransactionToken | undefined {
  const { trustDomain } = context
  if (trustDomain === undefined) return undefined
  return createTransactionTokenVerifier({
    issuer: exchange.server,
    algorithms: exchange.algorithms,
    keys,
    trustDomain,
    maxBytes: limits.tokenBytes,
    leewaySeconds: 5,
    maxLifetimeSeconds: 86_400,
    maxActorDepth: 32,
  })
}
