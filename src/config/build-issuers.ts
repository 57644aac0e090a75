import { buildClient, type ClientLookup } from './build-client.ts'
import type { FileReader } from './file-reader.ts'
import type { IssuerInput } from './issuer-schema.ts'
import type { IntrospectionConfig, IssuerRules, KeySource } from './sidecar-config.ts'
import type { SidecarIssuerInput } from './sidecar-issuer-schema.ts'

/** Turns validated `issuers` of a sidecar into rules. */
export function buildSidecarIssuers(
  service: string,
  issuers: readonly SidecarIssuerInput[],
  lookup: ClientLookup,
): readonly IssuerRules[] {
  const isOnly = issuers.filter(({ introspection }) => introspection !== undefined).length === 1
  const rules = buildIssuers(issuers, lookup.files)
  return rules.map((rule, index) => {
    const input = issuers[index]?.introspection
    if (input === undefined) return rule
    const path = ['issuers', index, 'introspection', 'client']
    const introspection: IntrospectionConfig = {
      endpoint: input.endpoint,
      client: buildClient(service, input.client, path, lookup),
      opaque: input.opaque ?? isOnly,
      signed: input.signed,
      tokenType: input.token_type,
      cacheMs: input.cache,
      negativeMs: input.negative,
      timeoutMs: input.timeout,
    }
    return { ...rule, introspection }
  })
}

/** Turns validated `issuers` into rules. */
export function buildIssuers(
  issuers: readonly IssuerInput[],
  files: Pick<FileReader, 'resolve'>,
): readonly IssuerRules[] {
  return issuers.map(input => ({
    issuer: input.issuer,
    audience: input.audience,
    algorithms: input.algorithms,
    keys: buildKeySource(input.keys, files),
    types: input.types,
    leewaySeconds: input.leeway,
    maxLifetimeSeconds: input.max_lifetime,
    maxActorDepth: input.max_actor_depth,
    plaintext: input.plaintext,
  }))
}

/** Turns validated `keys` into where keys come from. */
export function buildKeySource(keys: IssuerInput['keys'], files: Pick<FileReader, 'resolve'>): KeySource {
  if (keys?.jwks_uri !== undefined) return { kind: 'jwks_uri', uri: keys.jwks_uri }
  if (keys?.file !== undefined) return { kind: 'file', file: files.resolve(keys.file) }
  if (keys?.inline !== undefined) return { kind: 'inline', jwks: keys.inline }
  return { kind: 'discovery' }
}
