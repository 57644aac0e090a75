import { randomBytes } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import type { Route } from '../model/route.ts'
import { grantType } from '../oauth/grant-type.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { buildIssuers } from './build-issuers.ts'
import { buildClusters, buildStsClients, buildTrustDomains, bySecret } from './build-sts-clients.ts'
import type { FileReader } from './file-reader.ts'
import type { OpenKeySets } from './key-set-file.ts'
import type { OpenSecrets } from './secret-reference.ts'
import type { IssuerRules, StsAudience, StsClient, StsConfig } from './sidecar-config.ts'
import type { SidecarInput } from './sidecar-schema.ts'
import { type StsInput, sidecarStsSchema } from './sts-schema.ts'

/** What bounds an issued token, wherever the token service runs. */
export function buildStsBounds({
  max_ttl,
  max_actor_depth,
  max_actor_bytes,
  max_actor_visits,
}: Pick<StsInput, 'max_ttl' | 'max_actor_depth' | 'max_actor_bytes' | 'max_actor_visits'>): Pick<
  StsConfig,
  'maxTtlSeconds' | 'maxActorDepth' | 'maxActorBytes' | 'maxActorVisits'
> {
  return {
    maxTtlSeconds: max_ttl,
    maxActorDepth: max_actor_depth,
    maxActorBytes: max_actor_bytes,
    maxActorVisits: max_actor_visits,
  }
}

/** What a token service has only where it is configured. */
export function buildStsExtras(
  { trust_domain, tickets }: Pick<StsInput, 'trust_domain' | 'tickets'>,
  secretAt: OpenSecrets,
): Pick<StsConfig, 'transactionDomain' | 'tickets'> {
  return {
    ...(trust_domain !== undefined && { transactionDomain: trust_domain }),
    ...(tickets !== undefined && {
      tickets: { key: secretAt(['sts', 'tickets', 'key']), ttlSeconds: tickets.ttl },
    }),
  }
}

/** The token service inside a sidecar, unless `exchange` names a server; what `sts` leaves out follows from the rest. */
export function buildSidecarSts(
  { service, admin, exchange, sts, environment, context }: SidecarInput,
  ownIssuers: readonly IssuerRules[],
  routes: readonly Route[],
  lookup: { readonly files: Pick<FileReader, 'resolve'>; readonly secretAt: OpenSecrets },
  keysAt: OpenKeySets,
  policy: PolicyDocument | undefined,
): StsConfig | undefined {
  if (exchange.server !== undefined) return undefined
  const input = sts ?? sidecarStsSchema.parse({})
  const { issuer, keys, algorithm, issuers, clusters, trust_domains } = input
  return {
    issuer: issuer ?? `http://127.0.0.1:${admin.port}`,
    keys: keys === undefined ? undefined : lookup.files.resolve(keys),
    algorithm,
    ...buildStsBounds(input),
    ...(context.trust_domain !== undefined && { transactionDomain: context.trust_domain }),
    ...buildStsExtras(input, lookup.secretAt),
    issuers: issuers === undefined ? ownIssuers : buildIssuers(issuers, lookup.files),
    clients: [
      ownClient(service, ephemeralSecret(), ownIssuers, routes),
      ...buildStsClients(input, { ...lookup, keysAt }),
    ],
    clusters: buildClusters(clusters, lookup.files),
    trustDomains: buildTrustDomains(trust_domains, lookup.files),
    policy,
    environment,
  }
}

/**
 * The sidecar as a client of the token service inside it: it may ask for what its routes need and for nothing else.
 * An audience that several routes share lives as short as the shortest of them wants.
 */
export function ownClient(
  id: string,
  secret: Secret,
  issuers: readonly IssuerRules[],
  routes: readonly Route[],
): StsClient {
  const audiences = new Map<string, StsAudience>()
  for (const route of routes) {
    if (route.kind === 'public') continue
    for (const audience of route.trustDomain === undefined
      ? [route.audience]
      : [route.audience, route.trustDomain]) {
      const known = audiences.get(audience)
      const scope = new Set([...(known?.scope ?? []), ...route.scope, ...route.optionalScope])
      const resources = new Set([...(known?.resources ?? []), ...(route.resource ? [route.resource] : [])])
      const ttls = [known?.ttlSeconds, route.ttlSeconds].filter(ttl => ttl !== undefined)
      audiences.set(audience, {
        scope: [...scope].sort(),
        ...(resources.size > 0 && { resources: [...resources].sort() }),
        ttlSeconds: ttls.length === 0 ? undefined : Math.min(...ttls),
      })
    }
  }
  const asksForItself = routes.some(route => route.kind === 'protected' && route.mode === 'machine')
  return {
    id,
    authentication: bySecret(secret),
    ...(asksForItself && { grants: [grantType.tokenExchange, grantType.clientCredentials] }),
    accepts: [...new Set(issuers.flatMap(issuer => issuer.audience))],
    audiences,
  }
}

let ephemeral: Secret | undefined

/**
 * The secret between the sidecar and the token service inside it. It is made once in a process and nowhere written, so
 * that a reload does not lock the sidecar out of its own token service.
 */
export function ephemeralSecret(): Secret {
  ephemeral ??= new Secret(randomBytes(32).toString('base64url'))
  return ephemeral
}
