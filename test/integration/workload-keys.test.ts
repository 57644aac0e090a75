import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { StsClient, StsClientAuthentication, StsConfig } from '../../src/config/sidecar-config.ts'
import { grantType, jwtBearerClientAssertion, jwtSpiffeClientAssertion } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import {
  canMakeCertificates,
  createAuthority,
  type TestAuthority,
  withCertificates,
} from '../support/certificate.ts'
import { clusterOf, projectedClaims, svidClaims } from '../support/client-identities.ts'
import { startHubs } from '../support/start-hub.ts'
import { writeTlsFiles } from '../support/tls.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'

/** The keys of clusters and trust domains, fetched as they are: over TLS from a server with an authority of its own. */

describe.skipIf(!canMakeCertificates)(`keys of workloads${withCertificates}`, () => {
  let authority: TestAuthority
  let server: Server
  let origin: string
  /** What the server answers, by path. */
  let documents: Map<string, unknown>
  let asked: string[]
  let platform: TestIssuer
  beforeAll(() => {
    authority = createAuthority('api server')
  })
  beforeEach(async () => {
    documents = new Map()
    asked = []
    server = createServer(authority.issue({ names: ['IP:127.0.0.1'] }), (request, response) => {
      asked.push(request.url ?? '')
      const document = documents.get(request.url ?? '')
      response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(document ?? {}))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    platform = await createTestIssuer({ issuer: origin, kid: 'first', algorithm: 'RS256' })
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  const account = (): StsClientAuthentication => ({
    kind: 'kubernetes',
    cluster: origin,
    namespace: 'shop',
    serviceAccount: 'orders',
  })
  const svid: StsClientAuthentication = { kind: 'spiffe_jwt', spiffeId: 'spiffe://example.org/orders' }
  const clientWith = (authentication: StsClientAuthentication): StsClient => ({
    id: 'orders',
    authentication,
    accepts: [],
    audiences: new Map([['orders-api', { scope: [], ttlSeconds: undefined }]]),
  })
  const pointing = () => ({ typ: 'JWT', jku: `${origin}/openid/v1/jwks` })
  const publishCluster = (...keys: TestIssuer[]): void => {
    documents.set('/.well-known/openid-configuration', {
      issuer: origin,
      jwks_uri: `${origin}/openid/v1/jwks`,
    })
    documents.set('/openid/v1/jwks', { keys: keys.map(({ jwk }) => jwk) })
  }
  const publishBundle = (issuer: TestIssuer, use: string | undefined): void => {
    documents.set('/bundle', { spiffe_sequence: 2, spiffe_refresh_hint: 60, keys: [{ ...issuer.jwk, use }] })
  }
  const caFile = (text = authority.cert): string => writeTlsFiles({ ca: text }).ca ?? ''
  const clustersWith = (ca: string | undefined): Partial<StsConfig> => {
    const { rules } = clusterOf(platform)
    const clusters = [{ rules: { ...rules, keys: { kind: 'discovery' as const } }, ca }]
    return { clients: [clientWith(account())], clusters }
  }
  const domainsWith = (ca: string | undefined): Partial<StsConfig> => {
    const bundle = { kind: 'jwks_uri' as const, uri: new URL(`${origin}/bundle`) }
    const trustDomains = [{ name: 'example.org', bundle, authorities: undefined, ca }]
    return { clients: [clientWith(svid)], trustDomains }
  }

  /** A hub, and what it answers to a client that presents a token of its platform. */
  async function start(sts: Partial<StsConfig>) {
    const hubs = await startHubs({ sts })
    onTestFinished(() => hubs.close())
    const present = async (client_assertion: string, client_assertion_type: string): Promise<number> => {
      const body = new URLSearchParams({
        grant_type: grantType.tokenExchange,
        subject_token: await hubs.login.sign({ aud: 'orders' }),
        subject_token_type: tokenType.accessToken,
        audience: 'orders-api',
        client_assertion,
        client_assertion_type,
      })
      return (await fetch(`${hubs.issuer}/token`, { method: 'POST', body })).status
    }
    return {
      events: hubs.events,
      byAccount: async (issuer = platform) =>
        present(
          await issuer.sign(projectedClaims(hubs.issuer), { typ: undefined }),
          jwtBearerClientAssertion,
        ),
      bySvid: async (issuer = platform) =>
        present(
          await issuer.sign(svidClaims(hubs.issuer, 'spiffe://example.org/orders'), { typ: 'JWT' }),
          jwtSpiffeClientAssertion,
        ),
    }
  }

  it("are found by a cluster's metadata, over TLS that the cluster's own authority vouches for", async () => {
    publishCluster(platform)
    const { byAccount } = await start(clustersWith(caFile()))
    expect(await byAccount()).toBe(200)
    const forger = await createTestIssuer({ issuer: origin, kid: 'first', algorithm: 'RS256' })
    expect(await byAccount(forger)).toBe(401)
  })

  it('are taken from a bundle endpoint, those for JWT-SVIDs', async () => {
    publishBundle(platform, 'jwt-svid')
    const { bySvid } = await start(domainsWith(caFile()))
    expect(await bySvid()).toBe(200)
  })

  it.each(['sig', 'x509-svid', undefined])('of a bundle for %s verify no JWT-SVID', async use => {
    publishBundle(platform, use)
    const { bySvid } = await start(domainsWith(caFile()))
    expect(await bySvid()).toBe(503)
  })

  it.each<[string, () => string | undefined]>([
    ['the authorities that Node brings', () => undefined],
    ['another authority of the same name', () => caFile(createAuthority('api server').cert)],
  ])(
    'are not fetched from a server that only %s could vouch for; the client may come again',
    async (_, ca) => {
      publishCluster(platform)
      publishBundle(platform, 'jwt-svid')
      const cluster = await start(clustersWith(ca()))
      expect(await cluster.byAccount()).toBe(503)
      await expect
        .poll(async () => (await cluster.events()).at(-1)?.data)
        .toMatchObject({ error: 'temporarily_unavailable', client_id: 'orders' })
      const domain = await start(domainsWith(ca()))
      expect(await domain.bySvid()).toBe(503)
      expect(asked).toEqual([])
    },
  )

  it('are not looked for where a token points', async () => {
    publishCluster(platform)
    const other = await createTestIssuer({ issuer: 'https://spire.test', kid: 'other' })
    publishBundle(other, 'jwt-svid')
    const { bySvid } = await start(domainsWith(caFile()))
    expect(
      await bySvid({ ...platform, sign: claims => platform.sign({ ...claims, iss: origin }, pointing()) }),
    ).toBe(401)
    expect(await bySvid(other)).toBe(200)
    expect(asked.every(path => path === '/bundle')).toBe(true)
  })
})
