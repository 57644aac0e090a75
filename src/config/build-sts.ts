import { randomBytes } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import type { Route } from '../model/route.ts'
import { grantType } from '../oauth/grant-type.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { buildIssuers } from './build-issuers.ts'
import type { FileReader } from './file-reader.ts'
import type { OpenKeySets } from './key-set-file.ts'
import type { OpenSecrets } from './secret-reference.ts'
import type {
  IssuerRules,
  StsAudience,
  StsClient,
  StsClientAuthentication,
  StsConfig,
} from './sidecar-config.ts'
import type { SidecarInput } from './sidecar-schema.ts'
import { type RateLimitInput, type StsClientInput, type StsInput, sidecarStsSchema } from './sts-schema.ts'

/** Turns validated `sts.clients` into clients. */
export function buildStsClients(
  clients: readonly StsClientInput[],
  secretAt: OpenSecrets,
  keysAt: OpenKeySets,
  rateLimit: RateLimitInput,
): readonly StsClient[] {
  return clients.map((input, index) => {
    const path = ['sts', 'clients', index]
    const keys = input.jwks?.inline ?? (input.jwks && keysAt([...path, 'jwks', 'file']))
    const { requests, per } = input.rate_limit ?? rateLimit
    return {
      id: input.id,
      authentication:
        keys === undefined
          ? bySecret(secretAt([...path, 'secret']))
          : { kind: 'private_key_jwt', jwks: keys },
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
      rateLimit: { requests, perSeconds: per },
    }
  })
}

const grantTypes = {
  token_exchange: grantType.tokenExchange,
  client_credentials: grantType.clientCredentials,
  jwt_bearer: grantType.jwtBearer,
} as const

function bySecret(secret: Secret): StsClientAuthentication {
  return {
    kind: 'secret',
    secrets: [{ kind: 'plain', text: secret }],
    methods: ['client_secret_basic', 'client_secret_post'],
  }
}

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

/** The token service inside a sidecar, unless `exchange` names a server; what `sts` leaves out follows from the rest. */
export function buildSidecarSts(
  { service, admin, exchange, sts, environment }: SidecarInput,
  ownIssuers: readonly IssuerRules[],
  routes: readonly Route[],
  lookup: { readonly files: Pick<FileReader, 'resolve'>; readonly secretAt: OpenSecrets },
  keysAt: OpenKeySets,
  policy: PolicyDocument | undefined,
): StsConfig | undefined {
  if (exchange.server !== undefined) return undefined
  const input = sts ?? sidecarStsSchema.parse({})
  const { issuer, keys, rate_limit, issuers, clients } = input
  return {
    issuer: issuer ?? `http://127.0.0.1:${admin.port}`,
    keys: keys === undefined ? undefined : lookup.files.resolve(keys),
    ...buildStsBounds(input),
    issuers: issuers === undefined ? ownIssuers : buildIssuers(issuers, lookup.files),
    clients: [
      ownClient(service, ephemeralSecret(), ownIssuers, routes),
      ...buildStsClients(clients, lookup.secretAt, keysAt, rate_limit),
    ],
    clusters: [],
    trustDomains: [],
    policy,
    environment,
  }
}

/**
 * The sidecar as a client of the token service inside it: it may ask for what its routes need and for nothing else.
 * An audience that several routes share lives as short as the shortest of them wants.
 */
function ownClient(
  id: string,
  secret: Secret,
  issuers: readonly IssuerRules[],
  routes: readonly Route[],
): StsClient {
  const audiences = new Map<string, StsAudience>()
  for (const route of routes) {
    if (route.kind === 'public') continue
    const known = audiences.get(route.audience)
    const scope = new Set([...(known?.scope ?? []), ...route.scope, ...route.optionalScope])
    const resources = new Set([...(known?.resources ?? []), ...(route.resource ? [route.resource] : [])])
    const ttls = [known?.ttlSeconds, route.ttlSeconds].filter(ttl => ttl !== undefined)
    audiences.set(route.audience, {
      scope: [...scope].sort(),
      ...(resources.size > 0 && { resources: [...resources].sort() }),
      ttlSeconds: ttls.length === 0 ? undefined : Math.min(...ttls),
    })
  }
  return {
    id,
    authentication: bySecret(secret),
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
