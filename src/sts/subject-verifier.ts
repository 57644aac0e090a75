import type { Clock } from '../base/clock.ts'
import type { HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import type { IssuerRules, StsConfig } from '../config/sidecar-config.ts'
import { createJwtVerifier, type JwtVerifier } from '../tokens/verify-jwt.ts'
import { refuseRevoked } from './refuse-revoked.ts'
import type { RevocationStore } from './revocation-store.ts'
import type { Signer } from './signer.ts'
import { SignerKeys } from './signer-keys.ts'
import { signingAlgorithms } from './signing-keys.ts'

/** Longest token that is looked at. A longer one is refused, never passed over. */
export const tokenBytes = 16 * 1024

/** Replicas of the service may have clocks that differ by this much. */
export const ownLeewaySeconds = 5

/**
 * Verifies subject tokens: those of the configured issuers, and those that the service issued itself and that were not
 * revoked.
 */
export function createSubjectVerifier(
  config: StsConfig,
  signer: Signer,
  deps: {
    readonly clock: Clock
    readonly client: HttpClient
    readonly log: Log
    readonly revocations: RevocationStore
  },
): JwtVerifier {
  const verifier = createJwtVerifier([ownIssuerRules(config), ...config.issuers], {
    client: deps.client,
    log: deps.log,
    tokenBytes,
    keyOptions: { clock: deps.clock },
    keysOf: new Map([[config.issuer, new SignerKeys(signer)]]),
  })
  return refuseRevoked(verifier, { issuer: config.issuer, revocations: deps.revocations })
}

/**
 * The rules for tokens that the service issued itself, with its own keys in whatever algorithms they are. The
 * audience list is everything that some client answers to; which client may present which token is
 * decided afterwards, for the one that was authenticated.
 */
export function ownIssuerRules(config: StsConfig): IssuerRules {
  return {
    issuer: config.issuer,
    audience: [...new Set(config.clients.flatMap(client => [client.id, ...client.accepts]))],
    algorithms: signingAlgorithms,
    // The signer has them, in this process.
    keys: { kind: 'inline', jwks: { keys: [] } },
    types: ['at+jwt'],
    leewaySeconds: ownLeewaySeconds,
    maxLifetimeSeconds: config.maxTtlSeconds + ownLeewaySeconds,
    maxActorDepth: config.maxActorDepth,
    plaintext: false,
  }
}
