import type { Clock } from '../base/clock.ts'
import type { HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import type { IssuerRules, StsConfig } from '../config/sidecar-config.ts'
import type { TokenVerification } from '../model/route.ts'
import { signedPart } from '../tokens/introspected-token.ts'
import { createTokenVerifiers, type TokenVerifiers } from '../tokens/token-verifiers.ts'
import type { Verifier } from '../tokens/verifier.ts'
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
 * revoked. A JWT is verified by its signature; about any other token the one issuer is asked that answers about such
 * tokens, if there is one.
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
  const rules = [ownIssuerRules(config), ...config.issuers]
  const dependencies = {
    client: deps.client,
    log: deps.log,
    tokenBytes,
    keyOptions: { clock: deps.clock },
    keysOf: new Map([[config.issuer, new SignerKeys(signer)]]),
  }
  const verifier = config.issuers.some(({ introspection }) => introspection?.opaque === true)
    ? createEitherVerifier(createTokenVerifiers(rules, dependencies))
    : createJwtVerifier(rules, dependencies)
  return refuseRevoked(verifier, { issuer: config.issuer, revocations: deps.revocations })
}

const eitherWay: ReadonlySet<TokenVerification> = new Set<TokenVerification>(['jwt', 'introspection'])

/** Of a JWT the signature is enough here: whether its issuer is asked as well is for the hop where it arrives to say. */
function createEitherVerifier(verifiers: TokenVerifiers): JwtVerifier {
  const verifierOf = (presented: string): Verifier =>
    signedPart(presented) === undefined ? verifiers.introspection : verifiers.jwt
  return {
    recall: (presented, now) => verifierOf(presented).recall(presented, now),
    verify: (presented, now) => verifierOf(presented).verify(presented, now),
    warm: () => verifiers.warm(eitherWay),
    isReady: () => verifiers.isReady(eitherWay),
    close: () => verifiers.close(),
  }
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
