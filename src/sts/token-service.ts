import { channels } from '../base/channels.ts'
import type { Clock } from '../base/clock.ts'
import type { HttpClient } from '../base/http-client.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../base/http-message.ts'
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
import { createOwnTokenReader } from './own-token.ts'
import type { ReplayStore } from './replay-store.ts'
import { createRevocation } from './revocation.ts'
import type { RevocationStore } from './revocation-store.ts'
import { openSigner, type Signer } from './signer.ts'
import { createSubjectVerifier, ownIssuerRules, ownLeewaySeconds, tokenBytes } from './subject-verifier.ts'
import { createTokenEndpoint } from './token-endpoint.ts'
import { methodNotAllowed } from './token-response.ts'
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

/** How long others may keep the key set. A new key must be published this long before it signs. */
const keySetMaxAgeSeconds = 300

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
  const signer = deps.signer ?? openSigner(config.keys)
  const { issuer } = config
  const identities = openWorkloadIdentities(config, deps)
  const authenticate = limitClients(
    authenticationWith(identities, { issuer, clients, replay: deps.replay }),
    config.clients,
  )
  const subjects = createSubjectVerifier(config, signer, deps)
  const grants = createGrants(config, { ...deps, subjects })
  const record = (event: TokenServiceEvent): void => {
    channels.tokenService.publish({ endpoint: event.endpoint, kind: event.kind, error: event.error })
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
  const readToken = createOwnTokenReader(ownIssuerRules(config, signer), signer, tokenBytes)
  const answerIntrospection = createClientEndpoint({
    endpoint: 'introspection',
    authenticate,
    answer: createIntrospection({ issuer, readToken, revocations, signer }),
    log,
    record,
  })
  const answerRevocation = createClientEndpoint({
    endpoint: 'revocation',
    authenticate,
    answer: createRevocation({ issuer, readToken, revocations, leewaySeconds: ownLeewaySeconds }),
    log,
    record,
  })
  const endpoints = new Map([
    [paths.token, answerToken],
    [paths.introspection, answerIntrospection],
    [paths.revocation, answerRevocation],
  ])
  const grantTypes = [...new Set(grants.all.map(grant => grant.grantType))]
  const metadata = documentResponse(
    'application/json',
    authorizationServerMetadata(issuer, paths, grantTypes, signer, authenticationMethods(config.clients)),
  )
  const keySet = documentResponse('application/jwk-set+json', { keys: signer.publicKeys() })
  const documents = new Map([
    [paths.authorizationServerMetadata, metadata],
    [paths.openidConfiguration, metadata],
    [paths.keySet, keySet],
  ])
  return {
    async handle(request) {
      const endpoint = endpoints.get(request.path)
      if (endpoint !== undefined) return endpoint(request, deps.clock.now())
      const document = documents.get(request.path)
      return document === undefined ? undefined : answerDocument(request, document)
    },
    async warm() {
      await Promise.all([subjects.warm(), grants.warm(), identities.warm()])
    },
    async close() {
      subjects.close()
      grants.close()
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

function documentResponse(contentType: string, document: Readonly<Record<string, unknown>>): HttpResponse {
  const headers = {
    'content-type': contentType,
    'cache-control': `public, max-age=${keySetMaxAgeSeconds}`,
    'x-content-type-options': 'nosniff',
  }
  return { status: 200, headers, body: JSON.stringify(document) }
}

function answerDocument(request: HttpRequest, document: HttpResponse): HttpResponse {
  if (request.method === 'GET') return document
  return request.method === 'HEAD' ? { ...document, body: '' } : methodNotAllowed('GET, HEAD')
}
