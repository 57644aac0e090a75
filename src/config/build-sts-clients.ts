import { Secret } from '../base/secret.ts'
import { grantType } from '../oauth/grant-type.ts'
import { buildKeySource } from './build-issuers.ts'
import type { DocumentPath } from './config-problem.ts'
import type { FileReader } from './file-reader.ts'
import type { OpenKeySets } from './key-set-file.ts'
import type { OpenSecrets } from './secret-reference.ts'
import type {
  CertificateSubject,
  ClientJwks,
  KubernetesCluster,
  RateLimit,
  StsClient,
  StsClientAuthentication,
  StsClientSecret,
  StsTicketRule,
  TrustDomain,
} from './sidecar-config.ts'
import type { StsClientInput } from './sts-client-schema.ts'
import type { StsInput } from './sts-schema.ts'
import type { ClusterInput, TrustDomainInput } from './workload-schema.ts'

/** What clients and those who vouch for them are looked up in. */
export interface StsLookup {
  readonly files: Pick<FileReader, 'resolve'>
  readonly secretAt: OpenSecrets
  readonly keysAt: OpenKeySets
}

/** Turns validated `sts.clients` into clients. */
export function buildStsClients(
  { clients, clusters, rate_limit }: Pick<StsInput, 'clients' | 'clusters' | 'rate_limit'>,
  lookup: StsLookup,
): readonly StsClient[] {
  return clients.map((input, index) => ({
    id: input.id,
    authentication: buildAuthentication(input, ['sts', 'clients', index], clusters, lookup),
    ...(input.grants && { grants: input.grants.map(name => grantTypes[name]) }),
    accepts: input.accepts,
    audiences:
      input.audiences &&
      new Map(
        Object.entries(input.audiences).map(([audience, { scope, resource, ttl }]) => [
          audience,
          { scope, ...(resource !== undefined && { resources: [resource] }), ttlSeconds: ttl },
        ]),
      ),
    ...(input.tickets && { tickets: buildTicketRules(input.tickets) }),
    rateLimit: buildRateLimit(input.rate_limit ?? rate_limit),
  }))
}

const grantTypes = {
  token_exchange: grantType.tokenExchange,
  client_credentials: grantType.clientCredentials,
  jwt_bearer: grantType.jwtBearer,
} as const

function buildTicketRules({
  issue,
  redeem,
}: NonNullable<StsClientInput['tickets']>): NonNullable<StsClient['tickets']> {
  const build = (rules: typeof issue): readonly StsTicketRule[] =>
    rules.map(({ audience, purposes, scope, ttl }) => ({ audience, purposes, scope, ttlSeconds: ttl }))
  return { issue: build(issue), redeem: build(redeem) }
}

function buildRateLimit({ requests, per }: StsInput['rate_limit']): RateLimit {
  return { requests, perSeconds: per }
}

/** How a client with one secret authenticates. */
export function bySecret(secret: Secret): StsClientAuthentication {
  return { kind: 'secret', secrets: [{ kind: 'plain', text: secret }], methods: secretMethods }
}

const secretMethods = ['client_secret_basic', 'client_secret_post'] as const

/** Turns validated `sts.clusters` into clusters. */
export function buildClusters(
  clusters: readonly ClusterInput[],
  files: Pick<FileReader, 'resolve'>,
): readonly KubernetesCluster[] {
  return clusters.map(({ issuer, algorithms, keys, ca, max_lifetime, plaintext }) => ({
    rules: {
      issuer,
      audience: [],
      algorithms,
      keys: buildKeySource(keys, files),
      types: ['jwt'],
      leewaySeconds: 5,
      maxLifetimeSeconds: max_lifetime,
      maxActorDepth: 0,
      plaintext,
    },
    ca: resolveOptional(ca, files),
  }))
}

/** Turns validated `sts.trust_domains` into trust domains. */
export function buildTrustDomains(
  domains: readonly TrustDomainInput[],
  files: Pick<FileReader, 'resolve'>,
): readonly TrustDomain[] {
  return domains.map(({ name, bundle, authorities, ca }) => ({
    name,
    bundle: buildBundle(bundle, files),
    authorities: resolveOptional(authorities, files),
    ca: resolveOptional(ca, files),
  }))
}

function buildBundle(
  bundle: TrustDomainInput['bundle'],
  files: Pick<FileReader, 'resolve'>,
): TrustDomain['bundle'] {
  if (bundle?.url !== undefined) return { kind: 'jwks_uri', uri: bundle.url }
  return bundle?.file === undefined ? undefined : { kind: 'file', file: files.resolve(bundle.file) }
}

function resolveOptional(name: string | undefined, files: Pick<FileReader, 'resolve'>): string | undefined {
  return name === undefined ? undefined : files.resolve(name)
}

function buildAuthentication(
  input: StsClientInput,
  path: DocumentPath,
  clusters: readonly ClusterInput[],
  lookup: StsLookup,
): StsClientAuthentication {
  const jwksOf = (jwks: NonNullable<StsClientInput['jwks']>, at: DocumentPath): ClientJwks =>
    jwks.inline ?? lookup.keysAt([...at, 'file'])
  if (input.jwks !== undefined) {
    return { kind: 'private_key_jwt', jwks: jwksOf(input.jwks, [...path, 'jwks']) }
  }
  if (input.tls_client_auth !== undefined) {
    return { kind: 'tls_client_auth', subject: buildSubject(input.tls_client_auth) }
  }
  if (input.self_signed_tls_client_auth !== undefined) {
    const { jwks, thumbprints = [] } = input.self_signed_tls_client_auth
    const at = [...path, 'self_signed_tls_client_auth', 'jwks']
    return { kind: 'self_signed_tls_client_auth', jwks: jwks && jwksOf(jwks, at), thumbprints }
  }
  if (input.kubernetes !== undefined) {
    const { cluster = clusters[0]?.issuer ?? '', namespace, service_account } = input.kubernetes
    return { kind: 'kubernetes', cluster, namespace, serviceAccount: service_account }
  }
  if (input.spiffe_jwt !== undefined) return { kind: 'spiffe_jwt', spiffeId: input.spiffe_jwt }
  if (input.spiffe_x509 !== undefined) return { kind: 'spiffe_x509', spiffeId: input.spiffe_x509 }
  return {
    kind: 'secret',
    secrets: buildSecrets(input, path, lookup),
    methods: input.authentication === undefined ? secretMethods : [input.authentication],
  }
}

function buildSecrets(
  { secret, secret_hash }: StsClientInput,
  path: DocumentPath,
  { secretAt }: StsLookup,
): readonly StsClientSecret[] {
  const at = [...path, 'secret']
  const paths = Array.isArray(secret) ? secret.map((_, index) => [...at, index]) : [at]
  const plain = secret === undefined ? [] : paths.map(secretAt)
  const hashes = secret_hash === undefined ? [] : [secret_hash].flat()
  return [
    ...plain.map(text => ({ kind: 'plain', text }) as const),
    ...hashes.map(hash => ({ kind: 'scrypt', text: new Secret(hash) }) as const),
  ]
}

function buildSubject(subject: NonNullable<StsClientInput['tls_client_auth']>): CertificateSubject {
  const { subject_dn, san_dns, san_uri, san_ip, san_email } = subject
  const names = { dn: subject_dn, dns: san_dns, uri: san_uri, ip: san_ip, email: san_email }
  for (const [kind, name] of Object.entries(names) as [CertificateSubject['kind'], string | undefined][]) {
    if (name !== undefined) return { kind, name }
  }
  throw new Error('a certificate without a subject')
}
