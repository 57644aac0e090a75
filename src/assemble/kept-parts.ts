import type { Clock } from '../base/clock.ts'
import { createHttpClient } from '../base/http-client.ts'
import type { HttpHandler } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import { createTlsMaterial, type TlsMaterial } from '../base/tls-material.ts'
import type {
  CacheConfig,
  ExchangeConfig,
  IssuerRules,
  SidecarConfig,
  StsConfig,
} from '../config/sidecar-config.ts'
import { TokenExchanger } from '../hop/exchange/exchangers/token-exchange.ts'
import { LayeredCache } from '../hop/exchange/layered-cache.ts'
import { MemoryCache } from '../hop/exchange/memory-cache.ts'
import { RedisCache } from '../hop/exchange/redis-cache.ts'
import type { UpstreamTrust } from '../hop/forward/connect.ts'
import type { ApprovalStore } from '../policy/approval.ts'
import { createMemoryReplayStore } from '../sts/memory-replay-store.ts'
import { createMemoryRevocationStore } from '../sts/memory-revocation-store.ts'
import { openSigner } from '../sts/open-signer.ts'
import { createRedisRevocationStore } from '../sts/redis-revocation-store.ts'
import type { RevocationStore } from '../sts/revocation-store.ts'
import type { Signer } from '../sts/signer.ts'
import { SignerKeys } from '../sts/signer-keys.ts'
import { createTokenService, type TokenService } from '../sts/token-service.ts'
import { createTokenVerifiers, type TokenVerifiers } from '../tokens/token-verifiers.ts'
import { openApprovals } from './open-approvals.ts'
import type { AssembledRecord } from './record.ts'
import { SharedPart } from './shared-part.ts'

/** Where issued tokens come from. */
export interface Issuance {
  readonly exchanger: TokenExchanger
  /** The embedded token service; undefined when an authorization server is configured. */
  readonly tokenService: TokenService | undefined
  /** What the embedded token service signs with; its keys may become others. */
  readonly signer: Signer | undefined
}

/**
 * The parts that a reload keeps when what they are made of stays the same, with all that they have learned: keys,
 * verified tokens, issued tokens, connections. Each is used until `user` is disposed of.
 */
export interface KeptParts {
  /** Made of `exchange` and `sts`, and of the Redis in `cache`, where workers and replicas share what was revoked. */
  issuance(config: SidecarConfig, user: AsyncDisposableStack): Issuance
  /** Made of `issuers`, of the server in `exchange`, and of the bounds in `cache`. */
  verifiers(config: SidecarConfig, issuance: Issuance, user: AsyncDisposableStack): TokenVerifiers
  /** Made of `cache`. What is in it depends on the policy by its keys. */
  cache(config: SidecarConfig, user: AsyncDisposableStack): LayeredCache
  /** Made of `policy` and `cache`; undefined where nobody can approve. */
  approvals(config: SidecarConfig, user: AsyncDisposableStack): ApprovalStore | undefined
  /** Made of `upstream.tls`; undefined without TLS. Its files are watched. */
  upstreamTrust(config: SidecarConfig, user: AsyncDisposableStack): UpstreamTrust | undefined
  /** Ends what is kept without users: the signers. */
  close(): void
}

/** A signer with the way to let go of what it holds. */
export interface KeptSigner {
  readonly signer: Signer
  close(): void
}

export interface KeptPartsDependencies {
  readonly clock: Clock
  readonly log: Log
  readonly record: AssembledRecord
  /** Signs for the embedded token service instead of the keys of that file, or of no file. Asked once for each file. */
  readonly signerOf?: ((sts: StsConfig) => KeptSigner) | undefined
}

/** The parts of one sidecar. */
export function createKeptParts({ clock, log, record, signerOf }: KeptPartsDependencies): KeptParts {
  const issuances = new SharedPart<Issuance>()
  const verifiers = new SharedPart<TokenVerifiers>()
  const caches = new SharedPart<LayeredCache>()
  const approvalStores = new SharedPart<ApprovalStore | undefined>()
  const trusts = new SharedPart<UpstreamTrust>()
  const serverMaterials = new SharedPart<TlsMaterial>()
  const signers = new KeptSigners(
    sts => signerOf?.(sts) ?? openSigner(sts, { clock, log, onChange: record.keyEventsOf(sts.issuer) }),
  )
  // An assertion that was used stays used, whatever is reloaded.
  const replay = createMemoryReplayStore(clock)
  const revokedHere = createMemoryRevocationStore(clock)
  const openRevocations = (cache: CacheConfig, owned: AsyncDisposableStack): RevocationStore => {
    const { redis: url, timeoutMs } = cache
    if (url === undefined) return revokedHere
    const shared = createRedisRevocationStore({ url, timeoutMs, prefix: `${cache.prefix}sts:` }, clock)
    owned.defer(() => shared.close())
    return shared
  }

  /** TLS for the authorization server by its origin: no other server is shown the certificate. */
  const serverTls = (
    { server, tls }: ExchangeConfig,
    user: AsyncDisposableStack,
  ): ReadonlyMap<string, TlsMaterial> => {
    if (tls === undefined) return new Map()
    const material = serverMaterials.use(tls, user, owned => {
      const made = createTlsMaterial(tls, { name: 'exchange.tls', log, clock })
      owned.defer(() => made.close())
      return made
    })
    return new Map([[new URL(server).origin, material]])
  }

  return {
    issuance({ exchange, sts, cache }, user) {
      const revokedAt = sts && { url: cache.redis, prefix: cache.prefix, timeoutMs: cache.timeoutMs }
      return issuances.use({ exchange, sts, revokedAt }, user, owned => {
        const local = new Map<string, HttpHandler>()
        const client = createHttpClient({ local, tls: serverTls(exchange, owned) })
        owned.defer(() => client.close())
        let tokenService: TokenService | undefined
        let signer: Signer | undefined
        if (sts !== undefined) {
          signer = signers.of(sts)
          const approvals = openApprovals(sts.policy, cache.redis, { timeoutMs: cache.timeoutMs, log, clock })
          owned.defer(() => approvals?.close())
          const service = createTokenService(sts, {
            ...(approvals !== undefined && { approvals }),
            clock,
            log,
            client,
            replay,
            revocations: openRevocations(cache, owned),
            signer,
            record: record.tokenEventsOf(sts.issuer),
            isRecording: () => record.acceptsTokenEvents(),
          })
          owned.defer(() => service.close())
          local.set(new URL(sts.issuer).origin, service.handle)
          tokenService = service
        }
        const keys = signer && new SignerKeys(signer)
        const exchanger = new TokenExchanger(exchange, { client, clock, log, keys })
        owned.defer(() => exchanger.close())
        return { exchanger, tokenService, signer }
      })
    },

    verifiers({ issuers, exchange, sts, limits, cache }, { tokenService, signer }, user) {
      // The keys of the embedded token service are found within the process, where they belong to the file.
      const own = sts && { issuer: sts.issuer, file: sts.keys }
      const { maxEntries, maxBytes } = cache
      const memory = { maxEntries, maxBytes }
      const server = { url: exchange.server, tls: exchange.tls }
      return verifiers.use({ issuers, own, server, memory }, user, owned => {
        const local = new Map<string, HttpHandler>()
        if (sts !== undefined && tokenService !== undefined) {
          local.set(new URL(sts.issuer).origin, tokenService.handle)
        }
        // Tokens of the authorization server may be presented as well, and its keys are behind the same TLS.
        const client = createHttpClient({ local, tls: serverTls(exchange, owned) })
        owned.defer(() => client.close())
        const { tokenBytes } = limits
        const made = createTokenVerifiers(issuers, {
          client,
          log,
          tokenBytes,
          keyOptions: { clock },
          memory,
          keysOf: ownKeys(issuers, own?.issuer, signer),
        })
        owned.defer(() => made.close())
        return made
      })
    },

    cache({ cache }, user) {
      return caches.use(cache, user, owned => {
        const { redis: url, prefix, timeoutMs } = cache
        const redis = url && new RedisCache({ url, prefix, timeoutMs, log })
        owned.defer(() => redis?.close())
        return new LayeredCache(new MemoryCache(cache), redis)
      })
    },

    approvals({ policy, cache: { redis, timeoutMs } }, user) {
      return approvalStores.use({ approvers: policy?.approvers, redis, timeoutMs }, user, owned => {
        const store = openApprovals(policy, redis, { timeoutMs, log, clock })
        owned.defer(() => store?.close())
        return store
      })
    },

    upstreamTrust({ upstream: { url, tls } }, user) {
      if (tls === undefined) return undefined
      return trusts.use({ url: url.href, tls }, user, owned => {
        const { ca, cert, key, serverName, spiffeIds } = tls
        const material = createTlsMaterial({ ca, cert, key }, { name: 'upstream.tls', log, clock })
        owned.defer(() => material.close())
        return { material, target: { url, serverName, spiffeIds } }
      })
    },

    close: () => signers.close(),
  }
}

/** The keys of the own issuer are looked up in the signer, unless the configuration says what they are. */
function ownKeys(
  issuers: readonly IssuerRules[],
  own: string | undefined,
  signer: Signer | undefined,
): ReadonlyMap<string, SignerKeys> {
  const isOwn = issuers.some(({ issuer, keys }) => issuer === own && keys.kind === 'discovery')
  return new Map(own !== undefined && signer !== undefined && isOwn ? [[own, new SignerKeys(signer)]] : [])
}

/** The embedded token service keeps its signing keys over reloads, so that what it has issued stays good. */
class KeptSigners {
  readonly #openSigner: (sts: StsConfig) => KeptSigner
  readonly #kept = new Map<string | undefined, KeptSigner>()

  constructor(openSigner: (sts: StsConfig) => KeptSigner) {
    this.#openSigner = openSigner
  }

  /** @throws Error, without any key material, for a key file that cannot be used */
  of(sts: StsConfig): Signer {
    const kept = this.#kept.get(sts.keys) ?? this.#openSigner(sts)
    this.#kept.set(sts.keys, kept)
    return kept.signer
  }

  close(): void {
    for (const { close } of this.#kept.values()) close()
  }
}
