import { X509Certificate } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { createHttpClient, type HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import { readPemBlocks } from '../base/pem.ts'
import { trustDomainOf } from '../base/spiffe-id.ts'
import { createTlsMaterial, type TlsMaterial } from '../base/tls-material.ts'
import type { IssuerRules, KeySource, StsConfig, TrustDomain } from '../config/sidecar-config.ts'
import { createIssuerKeys } from '../tokens/issuer-keys.ts'
import type { KeySet, KeySetOptions } from '../tokens/key-set.ts'
import type { CertificateTrust } from './client-certificate.ts'

/** Who vouches for workloads: clusters for their service accounts, trust domains for their SPIFFE IDs. */
export interface WorkloadIdentities extends CertificateTrust {
  /** A cluster by the `iss` of its tokens. */
  clusterOf(issuer: string): Cluster | undefined
  /** The keys for JWT-SVIDs of a SPIFFE ID's trust domain. They are never looked for anywhere else. */
  bundleOf(spiffeId: string): KeySet | undefined
  /** Loads all keys. Never rejects. */
  warm(): Promise<void>
  close(): Promise<void>
}

export interface Cluster {
  readonly rules: IssuerRules
  readonly keys: KeySet
}

export interface WorkloadIdentityDependencies {
  readonly clock: Clock
  readonly log: Log
  readonly client: HttpClient
}

/** RFC 7518 algorithms that a JWT-SVID may have (JWT-SVID §2.1). */
export const svidAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
] as const

/** @throws Error that names the file, for authorities that cannot be used */
export function openWorkloadIdentities(
  { clusters, trustDomains }: Pick<StsConfig, 'clusters' | 'trustDomains'>,
  deps: WorkloadIdentityDependencies,
): WorkloadIdentities {
  const { clock, log } = deps
  const closers: (() => unknown)[] = []
  const openKeys = (rules: IssuerRules, ca: string | undefined, options: Partial<KeySetOptions>): KeySet => {
    const address = addressOf(rules.issuer, rules.keys)
    let { client } = deps
    if (ca !== undefined && address !== undefined) {
      const material = createTlsMaterial({ ca }, { name: rules.issuer, log, clock })
      const own = createHttpClient({ tls: new Map([[address.origin, material]]) })
      closers.push(() => material.close())
      closers.push(() => own.close())
      client = own
    }
    const keys = createIssuerKeys(rules, { client, log, options: { clock, ...options } })
    closers.push(() => keys.close())
    return keys
  }
  const clustersByIssuer = new Map<string, Cluster>()
  for (const { rules, ca } of clusters) {
    clustersByIssuer.set(rules.issuer, { rules, keys: openKeys(rules, ca, {}) })
  }
  const bundles = new Map<string, KeySet>()
  const authorities = new Map<string, TlsMaterial>()
  for (const domain of trustDomains) {
    const rules = bundleRules(domain)
    if (rules !== undefined) bundles.set(domain.name, openKeys(rules, domain.ca, { use: 'jwt-svid' }))
    if (domain.authorities === undefined) continue
    const name = `trust domain ${domain.name}`
    const material = createTlsMaterial({ ca: domain.authorities }, { name, log, clock })
    closers.push(() => material.close())
    authorities.set(domain.name, material)
  }
  return {
    clusterOf: issuer => clustersByIssuer.get(issuer),
    bundleOf: spiffeId => bundles.get(trustDomainOf(spiffeId)),
    isAuthorityOf(spiffeId, authority) {
      const material = authorities.get(trustDomainOf(spiffeId))
      return material !== undefined && holds(material, authority)
    },
    isDomainAuthority: authority => [...authorities.values()].some(material => holds(material, authority)),
    async warm() {
      const clusterKeys = [...clustersByIssuer.values()].map(({ keys }) => keys)
      await Promise.all([...clusterKeys, ...bundles.values()].map(keys => keys.warm()))
    },
    async close() {
      await Promise.all(closers.splice(0).map(close => close()))
    },
  }
}

/** Where keys are fetched from, if they are: metadata and keys of an issuer are of one origin. */
function addressOf(issuer: string, keys: KeySource): URL | undefined {
  if (keys.kind === 'jwks_uri') return keys.uri
  return keys.kind === 'discovery' ? new URL(issuer) : undefined
}

function bundleRules({ name, bundle }: TrustDomain): IssuerRules | undefined {
  if (bundle === undefined) return undefined
  return {
    issuer: `spiffe://${name}`,
    audience: [],
    algorithms: svidAlgorithms,
    keys: bundle,
    types: [],
    leewaySeconds: 0,
    maxLifetimeSeconds: 0,
    maxActorDepth: 0,
    plaintext: false,
  }
}

function holds(material: TlsMaterial, authority: X509Certificate): boolean {
  return readAuthorities(material).some(one => one.raw.equals(authority.raw))
}

const parsed = new WeakMap<object, readonly X509Certificate[]>()

function readAuthorities(material: TlsMaterial): readonly X509Certificate[] {
  const options = material.options()
  const known = parsed.get(options)
  if (known !== undefined) return known
  const blocks = readPemBlocks(String(options.ca))
  const certificates = blocks.ok ? blocks.value.map(({ text }) => new X509Certificate(text)) : []
  parsed.set(options, certificates)
  return certificates
}
