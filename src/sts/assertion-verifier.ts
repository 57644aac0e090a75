import type { HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import type { StsConfig } from '../config/sidecar-config.ts'
import { createJwtVerifier, type JwtVerifier } from '../tokens/verify-jwt.ts'
import { endpointPaths } from './endpoint-paths.ts'
import { tokenBytes } from './subject-verifier.ts'

/** Longest life of an assertion. It is made to be presented at once. */
const maxLifetimeSeconds = 300

/**
 * Verifies assertions that are presented as grants (RFC 7523 §3): of the configured issuers and not of this service, for
 * this service as its issuer identifier or token endpoint (RFC 10070), and not made for something else. An access token is
 * none, whoever it is for.
 */
export function createAssertionVerifier(
  config: StsConfig,
  deps: { readonly client: HttpClient; readonly log: Log },
): JwtVerifier {
  const audience = [config.issuer, endpointPaths(config.issuer).tokenUrl]
  const rules = config.issuers.map(issuer => ({
    ...issuer,
    audience,
    types: ['jwt', 'none'],
    maxLifetimeSeconds: Math.min(issuer.maxLifetimeSeconds, maxLifetimeSeconds),
  }))
  return createJwtVerifier(rules, { client: deps.client, log: deps.log, tokenBytes })
}
