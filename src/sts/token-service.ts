import { channels } from '../base/channels.ts'
import type { Clock } from '../base/clock.ts'
import type { HttpClient } from '../base/http-client.ts'
import type { HttpHandler } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import type { StsConfig } from '../config/sidecar-config.ts'
import type { ApprovalStore } from '../policy/approval.ts'
import { authenticationMethods } from './authentication-methods.ts'
import { type AuthenticateClient, createClientAuthentication } from './client-authentication.ts'
import type { ClientClaimOptions } from './client-claim.ts'
import { createClientEndpoint } from './client-endpoint.ts'
import { limitClients } from './client-rate-limit.ts'
import { createGrants } from './create-grants.ts'
import { endpointPaths } from './endpoint-paths.ts'
import { createIntrospection } from './introspection.ts'
import { authorizationServerMetadata } from './metadata.ts'
import { openSigner } from './open-signer.ts'
import { createOwnTokenReader } from './own-token.ts'
import { createPublicDocument } from './public-document.ts'
import type { ReplayStore } from './replay-store.ts'
import { createRevocableTokenReader } from './revocable-token.ts'
import { createRevocation } from './revocation.ts'
import type { RevocationStore } from './revocation-store.ts'
import type { Signer } from './signer.ts'
import { createSubjectVerifier, ownIssuerRules, ownLeewaySeconds, tokenBytes } from './subject-verifier.ts'
import { createTokenEndpoint } from './token-endpoint.ts'
import type { TokenServiceEvent } from './token-service-event.ts'
import { openWorkloadIdentities, type WorkloadIdentities } from './workload-identities.ts'

/** The token service as one handler, for a hub's socket or for a sidecar's own HTTP client. */
export interface TokenService {
  /** Answers the paths below the issuer identifier and its well-known ones; undefined for every other path. */
  readonly handle: HttpHandler
  /** Fetches the key sets of the issuers that are accepted. Never rejects: what is missing is fetched on demand. */
  warm(): Promise<void>
  close(): Promise<void>
}

export interface TokenServiceDependencies {
  readonly clock: Clock
  readonly log: Log
  /** For the key sets of the issuers that are accepted. */
  readonly client: HttpClient
  /** Remembers used client assertions; shared by all replicas. Not closed here. */
  readonly replay: ReplayStore
  /** Remembers revoked tokens; shared by all replicas. Not closed here. */
  readonly revocations: RevocationStore
  /** Finds what a second person has approved. Not closed here. Absent: nothing is. */
  readonly approvals?: ApprovalStore
  /** Signs instead of the keys that the configuration names, so that a reload can go on with the same keys. */
  readonly signer?: Signer
  /** Gets the events of all endpoints. Must not throw or wait. */
  readonly record?: (event: TokenServiceEvent) => void
  /** False while an event could be lost: nothing is issued then. Absent: events may be lost. */
  readonly isRecording?: () => boolean
}

/**
 * Makes a token service (RFC 8693). Deny by default: only configured clients, each only for its own audiences and
 * scopes, each only with tokens that were meant for it; and a token is never wider or longer-lived than the one it was
 * exchanged for.
 *
 * @throws Error at start, without key material, for a configuration or a key file that cannot be used
 */
export function createTokenService(config: StsConfig, deps: TokenServiceDependencies): TokenService {
  const paths = endpointPaths(config.issuer)
  const clients = new Map(config.clients.map(client => [client.id, client]))
  if (clients.size !== config.clients.length) throw new Error('token service: two clients have one id')
  const { issuer } = config
  const identities = openWorkloadIdentities(config, deps)
  const authenticate = limitClients(
    authenticationWith(identities, { issuer, clients, replay: deps.replay }),
    config.clients,
  )
  const { signer, close: closeSigner } = useSigner(config, deps)
  const subjects = createSubjectVerifier(config, signer, deps)
  const grants = createGrants(config, { ...deps, signer, subjects })
  const record = (event: TokenServiceEvent): void => {
    channels.tokenService.publish({ endpoint: event.endpoint, kind: event.kind, error: event.error })
    if (event.kind === 'issued' && event.decision?.mode === 'impersonation') announce(event, deps.log)
    deps.record?.(event)
  }
  const answerToken = createTokenEndpoint({
    issuer,
    authenticate,
    grants: grants.all,
    signer,
    log: deps.log,
    isRecording: deps.isRecording ?? (() => true),
    record,
  })
  const { revocations, log } = deps
  const answerIntrospection = createClientEndpoint({
    endpoint: 'introspection',
    authenticate,
    answer: createIntrospection({
      issuer,
      readToken: createOwnTokenReader(ownIssuerRules(config), signer, tokenBytes),
      revocations,
      signer,
    }),
    log,
    record,
  })
  const answerRevocation = createClientEndpoint({
    endpoint: 'revocation',
    authenticate,
    answer: createRevocation({
      issuer,
      readToken: createRevocableTokenReader(config, signer),
      revocations,
      leewaySeconds: ownLeewaySeconds,
      ticketSeconds: config.tickets?.ttlSeconds ?? 0,
    }),
    log,
    record,
  })
  const endpoints = new Map([
    [paths.token, answerToken],
    [paths.introspection, answerIntrospection],
    [paths.revocation, answerRevocation],
  ])
  const grantTypes = [...new Set(grants.all.map(grant => grant.grantType))]
  const answerMetadata = createPublicDocument(
    'application/json',
    whileKeysAreTheSame(signer, () =>
      authorizationServerMetadata(issuer, paths, grantTypes, signer, authenticationMethods(config.clients)),
    ),
  )
  const answerKeySet = createPublicDocument(
    'application/jwk-set+json',
    whileKeysAreTheSame(signer, () => ({ keys: signer.publicKeys() })),
  )
  const documents = new Map([
    [paths.authorizationServerMetadata, answerMetadata],
    [paths.openidConfiguration, answerMetadata],
    [paths.keySet, answerKeySet],
  ])
  return {
    async handle(request) {
      const endpoint = endpoints.get(request.path)
      if (endpoint !== undefined) return endpoint(request, deps.clock.now())
      return documents.get(request.path)?.(request)
    },
    async warm() {
      await Promise.all([subjects.warm(), grants.warm(), identities.warm()])
    },
    async close() {
      subjects.close()
      grants.close()
      closeSigner()
      await identities.close()
    },
  }
}

/** The clients' keys and names may be unusable, when those who vouch for workloads are open already. */
function authenticationWith(
  identities: WorkloadIdentities,
  options: Omit<ClientClaimOptions, 'identities'>,
): AuthenticateClient {
  try {
    return createClientAuthentication({ ...options, identities })
  } catch (cause) {
    void identities.close()
    throw cause
  }
}

/** Nobody looks at a token and sees that somebody else holds it, so somebody should look at this. */
function announce({ client = 'none', caseId, decision, tokenId }: TokenServiceEvent, log: Log): void {
  channels.impersonation.publish({ client })
  log.warn('impersonation', { client, rule: decision?.rule, case_id: caseId, jti: tokenId })
}

/** The signer that was given, which others close, or one of its own. */
function useSigner(
  config: StsConfig,
  deps: TokenServiceDependencies,
): { readonly signer: Signer; close(): void } {
  if (deps.signer !== undefined) return { signer: deps.signer, close() {} }
  return openSigner(config, deps)
}

/** Makes a document that depends on the published keys: another one when they have become others. */
function whileKeysAreTheSame<T extends object>(signer: Signer, make: () => T): () => T {
  let keys = signer.publicKeys()
  let document = make()
  return () => {
    if (signer.publicKeys() === keys) return document
    keys = signer.publicKeys()
    document = make()
    return document
  }
}
