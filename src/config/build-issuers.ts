import type { FileReader } from './file-reader.ts'
import type { IssuerInput } from './issuer-schema.ts'
import type { IssuerRules, KeySource } from './sidecar-config.ts'

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
