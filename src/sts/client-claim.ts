import type { EpochSeconds } from '../base/clock.ts'
import type { PresentedCertificate } from '../base/presented-certificate.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { isSpiffeId } from '../base/spiffe-id.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import { type CompactJws, readCompactJws } from '../tokens/compact-jws.ts'
import { createAssertionCheck, readAssertionClient } from './client-assertion.ts'
import { createCertificateCheck } from './client-certificate.ts'
import type { PresentedCredentials } from './client-credentials.ts'
import { createSecretCheck } from './client-secrets.ts'
import type { ReplayStore } from './replay-store.ts'
import { checkServiceAccountClaims, serviceAccountSubject } from './service-account.ts'
import { refuseClient, type TokenError, tokenError } from './token-error.ts'
import { type Cluster, svidAlgorithms, type WorkloadIdentities } from './workload-identities.ts'
import { checkWorkloadToken } from './workload-token.ts'

/** Whom credentials claim to come from, and how to find out whether that is so. */
export interface ClientClaim {
  /** A configured client; nothing is proven yet. */
  readonly client: StsClient | undefined
  /** Answers the client when the credentials are right, and of the method that is configured for it. */
  prove(circumstances: ProofCircumstances): Promise<Result<StsClient, TokenError>>
}

export interface ProofCircumstances {
  readonly now: EpochSeconds
  /** Who counts as one where work is rationed. */
  readonly key: string
  /** Asked when expensive work has its turn: whether an answer is still wanted. */
  readonly isHeard: () => boolean
}

/** The error is for the record. */
export type ReadClientClaim = (
  presented: PresentedCredentials,
  certificate: PresentedCertificate | undefined,
) => Result<ClientClaim, string>

export interface ClientClaimOptions {
  readonly issuer: string
  readonly clients: ReadonlyMap<string, StsClient>
  readonly replay: ReplayStore
  readonly identities: WorkloadIdentities
}

/** The turn of a proof came when its client was not heard any more. */
export const unheard = tokenError('invalid_client', 'too many failed attempts')

const busy = {
  ...tokenError('temporarily_unavailable', 'try again', 'too many secrets wait'),
  retryAfterSeconds: 1,
}

/** Longest assertion that is looked at. */
const maxAssertionBytes = 8 * 1024

/** JWT-SVIDs live for minutes; whoever makes them for longer may, up to a day. */
const svidTimes = { leewaySeconds: 5, maxLifetimeSeconds: 86_400 }

/**
 * Knows every method of client authentication. A method that is not the one of the client proves nothing, whoever's
 * credentials they are.
 *
 * @throws Error that names the client, for a key, a hash or a name that cannot be used, or an identity that two have
 */
export function createClaimReader(options: ClientClaimOptions): ReadClientClaim {
  const { issuer, clients, identities } = options
  const checkSecret = createSecretCheck(clients.values())
  const checkAssertion = createAssertionCheck({ issuer, clients: clients.values(), replay: options.replay })
  const checkCertificate = createCertificateCheck(clients.values(), identities)
  const workloads = indexWorkloads(clients.values())

  const claimBySecret = (
    presented: Extract<PresentedCredentials, { readonly kind: 'secret' }>,
  ): ClientClaim => {
    const client = clients.get(presented.clientId)
    const authentication = client?.authentication
    const mayUse = authentication?.kind === 'secret' && authentication.methods.includes(presented.method)
    return {
      client,
      async prove({ key, isHeard }) {
        const { secret } = presented
        const verdict = await checkSecret({ client: mayUse ? client : undefined, secret, key, isHeard })
        if (verdict === 'unheard') return fail(unheard)
        if (verdict === 'busy') return fail(busy)
        return verdict === 'right' && client !== undefined
          ? ok(client)
          : refuseClient('unknown client or wrong secret')
      },
    }
  }

  const claimByServiceAccount = (jws: CompactJws, { rules, keys }: Cluster): ClientClaim => {
    const client = workloads.get(workloadKey('kubernetes', rules.issuer, jws.claims.sub))
    return {
      client,
      async prove({ now }) {
        if (client?.authentication.kind !== 'kubernetes') {
          return refuseClient('no client that is this service account')
        }
        const name = 'service account token'
        const checked = await checkWorkloadToken(jws, keys, { ...rules, name, audience: issuer }, now)
        if (!checked.ok) return checked
        const bound = checkServiceAccountClaims(jws.claims, client.authentication)
        return bound.ok ? ok(client) : refuseClient(`${name}: ${bound.error}`)
      },
    }
  }

  const claimBySvid = (jws: CompactJws): Result<ClientClaim, string> => {
    const { sub } = jws.claims
    if (typeof sub !== 'string' || !isSpiffeId(sub)) return fail('SVID: sub is no SPIFFE ID')
    const client = workloads.get(workloadKey('spiffe_jwt', sub))
    return ok({
      client,
      async prove({ now }) {
        const bundle = identities.bundleOf(sub)
        if (client === undefined || bundle === undefined)
          return refuseClient('no client that has this SPIFFE ID')
        const rules = { ...svidTimes, algorithms: svidAlgorithms, types: ['jwt', 'jose'] }
        const checked = await checkWorkloadToken(
          jws,
          bundle,
          { ...rules, name: 'SVID', audience: issuer },
          now,
        )
        return checked.ok ? ok(client) : checked
      },
    })
  }

  const claimByAssertion = (jws: CompactJws): Result<ClientClaim, string> => {
    const { iss } = jws.claims
    const cluster = typeof iss === 'string' ? identities.clusterOf(iss) : undefined
    if (cluster !== undefined) return ok(claimByServiceAccount(jws, cluster))
    const clientId = readAssertionClient(jws)
    if (!clientId.ok) return clientId
    const client = clients.get(clientId.value)
    return ok({
      client,
      prove: async ({ now }) =>
        client === undefined
          ? refuseClient('no client that uses private_key_jwt')
          : checkAssertion(client, jws, now),
    })
  }

  return (presented, certificate) => {
    if (presented.kind === 'secret') return ok(claimBySecret(presented))
    if (presented.kind === 'certificate') {
      const { clientId } = presented
      const client = clients.get(clientId) ?? workloads.get(workloadKey('spiffe_x509', clientId))
      return ok({
        client,
        async prove({ now }) {
          if (client === undefined || certificate === undefined)
            return refuseClient('no client that has a certificate')
          const checked = checkCertificate(client, certificate, now)
          return checked.ok ? ok(client) : refuseClient(checked.error)
        },
      })
    }
    const jws = readCompactJws(presented.assertion, maxAssertionBytes)
    if (!jws.ok) return fail(`assertion: ${jws.error}`)
    const claim = presented.kind === 'jwt-spiffe' ? claimBySvid(jws.value) : claimByAssertion(jws.value)
    if (!claim.ok || presented.clientId === undefined) return claim
    return isNameOf(claim.value.client, presented.clientId)
      ? claim
      : fail('client_id is not the client of the assertion')
  }
}

/** A workload may call itself by its SPIFFE ID, which is what it knows. */
function isNameOf(client: StsClient | undefined, clientId: string): boolean {
  if (client === undefined) return false
  const { id, authentication } = client
  return clientId === id || ('spiffeId' in authentication && clientId === authentication.spiffeId)
}

/** Clients by what their platform calls them. */
function indexWorkloads(clients: Iterable<StsClient>): ReadonlyMap<string, StsClient> {
  const index = new Map<string, StsClient>()
  for (const client of clients) {
    const key = keyOf(client)
    if (key === undefined) continue
    if (index.has(key)) throw new Error(`client ${JSON.stringify(client.id)}: another one has its identity`)
    index.set(key, client)
  }
  return index
}

function keyOf({ authentication }: StsClient): string | undefined {
  switch (authentication.kind) {
    case 'kubernetes':
      return workloadKey('kubernetes', authentication.cluster, serviceAccountSubject(authentication))
    case 'spiffe_jwt':
    case 'spiffe_x509':
      return workloadKey(authentication.kind, authentication.spiffeId)
    default:
      return undefined
  }
}

function workloadKey(...parts: readonly unknown[]): string {
  return JSON.stringify(parts)
}
