import { trustDomainOf } from '../base/spiffe-id.ts'
import type { DocumentPath } from './config-problem.ts'
import type { Report } from './report.ts'
import type { StsClientInput } from './sts-client-schema.ts'
import type { ClusterInput, TrustDomainInput } from './workload-schema.ts'

/** What clients of a token service refer to. */
export interface StsSection {
  readonly clients?: readonly (StsClientInput | undefined)[] | undefined
  readonly clusters?: readonly (ClusterInput | undefined)[] | undefined
  readonly trust_domains?: readonly (TrustDomainInput | undefined)[] | undefined
}

/** What the port of a token service has of TLS: `none` for one inside a sidecar, which certificates never reach. */
export type StsTransport = 'none' | 'plaintext' | 'tls' | 'tls with client_ca'

/** Reports clients whose method cannot work here, and those that could not be told apart. */
export function checkStsClients(
  { clients = [], clusters = [], trust_domains = [] }: StsSection,
  transport: StsTransport,
  report: Report,
): void {
  const identities = new Map<string, number>()
  for (const [index, client] of clients.entries()) {
    if (client === undefined) continue
    const path = ['sts', 'clients', index]
    checkCertificateMethods(client, path, transport, report)
    checkCluster(client, path, clusters, report)
    checkTrustDomain(client, path, trust_domains, report)
    const identity = identityOf(client, clusters)
    if (identity === undefined) continue
    const first = identities.get(identity.name)
    if (first === undefined) identities.set(identity.name, index)
    else
      report.add({
        path: [...path, identity.key],
        found: `the same as in entry ${first}`,
        expected: 'each once',
      })
  }
}

function checkCertificateMethods(
  client: StsClientInput,
  path: DocumentPath,
  transport: StsTransport,
  report: Report,
): void {
  const needs = {
    tls_client_auth: 'tls with client_ca',
    spiffe_x509: 'tls with client_ca',
    self_signed_tls_client_auth: 'tls',
  } as const
  for (const [key, needed] of Object.entries(needs) as [keyof typeof needs, StsTransport][]) {
    if (client[key] === undefined || transport === needed || transport === 'tls with client_ca') continue
    if (transport === 'none') {
      const found = 'a method by certificate, which does not reach the token service inside a sidecar'
      report.add({ path: [...path, key], at: 'key', found, expected: 'another method, or a hub' })
    } else {
      const expected = needed === 'tls' ? 'listen.tls' : 'listen.tls with client_ca'
      report.add({ path: [...path, key], at: 'key', found: `this without ${expected}`, expected })
    }
  }
}

function checkCluster(
  { kubernetes }: StsClientInput,
  path: DocumentPath,
  clusters: NonNullable<StsSection['clusters']>,
  report: Report,
): void {
  if (kubernetes === undefined) return
  const { cluster } = kubernetes
  if (cluster === undefined && clusters.length !== 1) {
    const found = `nothing, beside ${clusters.length} clusters`
    report.add({ path: [...path, 'kubernetes'], found, expected: 'cluster' })
  } else if (cluster !== undefined && !clusters.some(one => one?.issuer === cluster)) {
    const found = 'a cluster that sts.clusters does not have'
    report.add({ path: [...path, 'kubernetes', 'cluster'], found, expected: 'the issuer of one of them' })
  }
}

function checkTrustDomain(
  client: StsClientInput,
  path: DocumentPath,
  domains: NonNullable<StsSection['trust_domains']>,
  report: Report,
): void {
  const needs = { spiffe_jwt: 'bundle', spiffe_x509: 'authorities' } as const
  for (const [key, part] of Object.entries(needs) as [keyof typeof needs, 'bundle' | 'authorities'][]) {
    const id = client[key]
    if (id === undefined) continue
    const domain = domains.find(one => one?.name === trustDomainOf(id))
    if (domain?.[part] !== undefined) continue
    const found =
      domain === undefined ? 'a trust domain that sts.trust_domains does not have' : `one without ${part}`
    report.add({ path: [...path, key], found, expected: `a trust domain with ${part}` })
  }
}

function identityOf(
  client: StsClientInput,
  clusters: NonNullable<StsSection['clusters']>,
): { readonly key: string; readonly name: string } | undefined {
  const { kubernetes, spiffe_jwt, spiffe_x509 } = client
  if (spiffe_jwt !== undefined) return { key: 'spiffe_jwt', name: `jwt ${spiffe_jwt}` }
  if (spiffe_x509 !== undefined) return { key: 'spiffe_x509', name: `x509 ${spiffe_x509}` }
  if (kubernetes === undefined) return undefined
  const { cluster = clusters[0]?.issuer, namespace, service_account } = kubernetes
  return { key: 'kubernetes', name: `${cluster} ${namespace} ${service_account}` }
}
