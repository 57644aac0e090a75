import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatScryptHash, hashSecret } from '../../src/base/scrypt-hash.ts'
import { Secret } from '../../src/base/secret.ts'
import type { HubListenTls } from '../../src/config/hub-config.ts'
import type {
  KubernetesCluster,
  StsClient,
  StsClientAuthentication,
  StsConfig,
} from '../../src/config/sidecar-config.ts'
import { certificateThumbprint } from '../../src/sts/client-certificate.ts'
import {
  createAuthority,
  createCertificate,
  type TestAuthority,
  type TestCertificate,
} from './certificate.ts'
import { createTestIssuer, type TestIssuer } from './tokens.ts'

/** One client for each way to authenticate, and what each proves itself with. */
export interface ClientIdentities {
  /** TLS of a hub on 127.0.0.1, and whom to trust for it. */
  readonly tls: HubListenTls
  readonly serverCa: string
  /** For a hub's `sts`. */
  readonly sts: Pick<StsConfig, 'clients' | 'clusters' | 'trustDomains'>
  /** The authority of certificates for clients. */
  readonly authority: TestAuthority
  /** The authorities of the trust domains `example.org` and `other.org`, which the hub knows as well. */
  readonly domains: Readonly<Record<'example.org' | 'other.org', TestAuthority>>
  /** The certificates of clients by client id. */
  readonly certificates: Readonly<Record<string, TestCertificate>>
  /** Signs for the clusters and trust domains, and for the client `keyed`. */
  readonly cluster: TestIssuer
  readonly otherCluster: TestIssuer
  readonly spire: TestIssuer
  readonly otherSpire: TestIssuer
  readonly keyed: TestIssuer
  close(): Promise<void>
}

/** The secret of the client `hashed`, of which the hub has only the hash. */
export const hashedSecret = 'kZt:5%+ é-0123456789'
export const postedSecret = 'posted-secret-0123456789'

const leastCost = { logN: 14, blockSize: 8, parallelism: 1, keyBytes: 32 }

export async function createClientIdentities(): Promise<ClientIdentities> {
  const folder = await mkdtemp(join(tmpdir(), 'hopgate-identities-'))
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(folder, name)
    await writeFile(file, text)
    return file
  }
  const [serverAuthority, authority] = [
    createAuthority('server authority'),
    createAuthority('client authority'),
  ]
  // Under one name, as the authorities of every trust domain are with some software.
  const domains = {
    'example.org': createAuthority('spiffe'),
    'other.org': createAuthority('spiffe'),
  }
  const server = serverAuthority.issue({ names: ['IP:127.0.0.1'], usage: ['serverAuth'] })
  const usage = ['clientAuth'] as const
  const certificates = {
    'by-dn': authority.issue({ commonName: 'by-dn', usage }),
    'by-dns': authority.issue({ names: ['DNS:By-Dns.example.org', 'DNS:more.example.org'], usage }),
    'by-uri': authority.issue({ names: ['URI:urn:example:by-uri'], usage }),
    'by-ip': authority.issue({ names: ['IP:2001:db8:0:0::7'], usage }),
    'by-email': authority.issue({ names: ['email:by-email@example.org'], usage }),
    'self-pinned': createCertificate('DNS:self-pinned.test'),
    'self-keyed': createCertificate('DNS:self-keyed.test'),
    'spiffe-x509': domains['example.org'].issue({
      names: ['URI:spiffe://example.org/x509'],
      extensions: ['keyUsage=critical,digitalSignature', 'authorityKeyIdentifier=keyid'],
      usage: ['serverAuth', 'clientAuth'],
    }),
  }
  const [cluster, otherCluster, spire, otherSpire, keyed] = await Promise.all([
    createTestIssuer({ issuer: 'https://k8s.test', kid: 'k8s', algorithm: 'RS256' }),
    createTestIssuer({ issuer: 'https://k8s.other.test', kid: 'k8s', algorithm: 'RS256' }),
    createTestIssuer({ issuer: 'https://spire.test', kid: 'spire' }),
    createTestIssuer({ issuer: 'https://spire.other.test', kid: 'spire' }),
    createTestIssuer({ issuer: 'keyed', kid: 'keyed-1' }),
  ])
  const bundleOf = ({ jwk }: TestIssuer): string =>
    JSON.stringify({ spiffe_sequence: 1, spiffe_refresh_hint: 300, keys: [{ ...jwk, use: 'jwt-svid' }] })
  const selfKeyed = new X509Certificate(certificates['self-keyed'].cert).publicKey.export({ format: 'jwk' })
  const hash = formatScryptHash(await hashSecret(hashedSecret, leastCost))
  const methods = ['client_secret_basic', 'client_secret_post'] as const
  const bySubject = (kind: 'dn' | 'dns' | 'uri' | 'ip' | 'email', name: string): StsClientAuthentication => ({
    kind: 'tls_client_auth',
    subject: { kind, name },
  })
  const account = { kind: 'kubernetes', cluster: cluster.issuer, serviceAccount: 'orders' } as const
  const clients: Readonly<Record<string, StsClientAuthentication>> = {
    hashed: { kind: 'secret', secrets: [{ kind: 'scrypt', text: new Secret(hash) }], methods },
    posted: {
      kind: 'secret',
      secrets: [{ kind: 'plain', text: new Secret(postedSecret) }],
      methods: ['client_secret_post'],
    },
    keyed: { kind: 'private_key_jwt', jwks: { keys: keyed.jwks.keys.map(key => ({ ...key })) } },
    'by-dn': bySubject('dn', 'CN=by-dn'),
    'by-dns': bySubject('dns', 'by-dns.example.org'),
    'by-uri': bySubject('uri', 'urn:example:by-uri'),
    'by-ip': bySubject('ip', '2001:db8::7'),
    'by-email': bySubject('email', 'by-email@example.org'),
    'self-pinned': {
      kind: 'self_signed_tls_client_auth',
      jwks: undefined,
      thumbprints: [certificateThumbprint(new X509Certificate(certificates['self-pinned'].cert))],
    },
    'self-keyed': {
      kind: 'self_signed_tls_client_auth',
      jwks: { keys: [{ ...selfKeyed }] },
      thumbprints: [],
    },
    account: { ...account, namespace: 'shop' },
    'spiffe-jwt': { kind: 'spiffe_jwt', spiffeId: 'spiffe://example.org/jwt' },
    'spiffe-x509': { kind: 'spiffe_x509', spiffeId: 'spiffe://example.org/x509' },
  }
  return {
    tls: {
      cert: await write('server.pem', server.cert),
      key: await write('server.key', server.key),
      clientCa: await write(
        'client-ca.pem',
        [authority, domains['other.org'], domains['example.org']].map(({ cert }) => cert).join(''),
      ),
      minVersion: 'TLSv1.2',
    },
    serverCa: serverAuthority.cert,
    sts: {
      clients: Object.entries(clients).map(([id, authentication]) => clientOf(id, authentication)),
      clusters: [clusterOf(cluster)],
      trustDomains: [
        {
          name: 'example.org',
          bundle: { kind: 'file', file: await write('bundle.json', bundleOf(spire)) },
          authorities: await write('example.pem', domains['example.org'].cert),
          ca: undefined,
        },
        {
          name: 'other.org',
          bundle: { kind: 'file', file: await write('other-bundle.json', bundleOf(otherSpire)) },
          authorities: await write('other.pem', domains['other.org'].cert),
          ca: undefined,
        },
      ],
    },
    authority,
    domains,
    certificates,
    cluster,
    otherCluster,
    spire,
    otherSpire,
    keyed,
    close: () => rm(folder, { recursive: true, force: true }),
  }
}

function clientOf(id: string, authentication: StsClientAuthentication): StsClient {
  const audiences = new Map([['orders-api', { scope: ['orders:read'], ttlSeconds: undefined }]])
  return { id, authentication, accepts: ['orders'], audiences }
}

/** A cluster whose keys are known. */
export function clusterOf({ issuer, jwks }: TestIssuer): KubernetesCluster {
  return {
    rules: {
      issuer,
      audience: [],
      algorithms: ['RS256'],
      keys: { kind: 'inline', jwks: { keys: jwks.keys.map(key => ({ ...key })) } },
      types: ['jwt'],
      leewaySeconds: 5,
      maxLifetimeSeconds: 86_400,
      maxActorDepth: 0,
      plaintext: false,
    },
    ca: undefined,
  }
}

/** The claims of a projected token, as the API server makes them. */
export function projectedClaims(
  audience: unknown,
  { namespace = 'shop', name = 'orders' } = {},
): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: [audience].flat(),
    client_id: undefined,
    scope: undefined,
    iat: now,
    nbf: now,
    exp: now + 3_607,
    'kubernetes.io': {
      namespace,
      node: { name: 'node-1', uid: 'c4e8' },
      pod: { name: `${name}-69cd`, uid: '5e0c' },
      serviceaccount: { name, uid: '14ee' },
      warnafter: now + 3_600,
    },
  }
}

/** The claims of a JWT-SVID (JWT-SVID §3). */
export function svidClaims(audience: unknown, sub: string): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  const removed = { iss: undefined, client_id: undefined, scope: undefined, jti: undefined }
  return { ...removed, sub, aud: [audience].flat(), iat: now, exp: now + 300 }
}
