import { renameSync, writeFileSync } from 'node:fs'
import { Agent as HttpsAgent, request } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { createHttpClient, type HttpClient } from '../../src/base/http-client.ts'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { TlsMaterial } from '../../src/base/tls-material.ts'
import type { ClientCredentials } from '../../src/config/sidecar-config.ts'
import { TokenExchanger } from '../../src/hop/exchange/exchangers/token-exchange.ts'
import { grantType, jwtBearerClientAssertion, jwtSpiffeClientAssertion } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import {
  canMakeCertificates,
  createAuthority,
  type TestCertificate,
  withCertificates,
} from '../support/certificate.ts'
import {
  type ClientIdentities,
  createClientIdentities,
  hashedSecret,
  postedSecret,
  projectedClaims,
  svidClaims,
} from '../support/client-identities.ts'
import { permittedRequest } from '../support/exchange-request.ts'
import { postForm } from '../support/https-form.ts'
import { type RunningHubs, startHubs } from '../support/start-hub.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { openMaterial, startTlsServer, writeTlsFiles } from '../support/tls.ts'
import { decodeClaims } from '../support/token-service.ts'

describe.skipIf(!canMakeCertificates)(`client authentication at a hub with TLS${withCertificates}`, () => {
  let identities: ClientIdentities
  let hubs: RunningHubs
  beforeAll(async () => {
    identities = await createClientIdentities()
    const { tls, sts } = identities
    hubs = await startHubs({ sts, tls })
  })
  afterAll(async () => {
    await hubs.close()
    await identities.close()
  })

  const certificateOf = (client: string): TestCertificate | undefined => identities.certificates[client]

  /** A fetch on connections of its own, which show this certificate. */
  function fetchWith(own: TestCertificate | undefined) {
    const dispatcher = new Agent({ connect: { ca: identities.serverCa, ...own } })
    onTestFinished(() => dispatcher.destroy())
    return (url: string, options: object): Promise<Response> =>
      undiciFetch(url, { ...options, dispatcher }) as unknown as Promise<Response>
  }

  const keyOf = () =>
    crypto.subtle.importKey(
      'jwk',
      identities.keyed.privateKey.export({ format: 'jwk' }),
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['sign'],
    )
  const projectedToken = () => identities.cluster.sign(projectedClaims(hubs.issuer), { typ: undefined })
  const jwtSvid = () =>
    identities.spire.sign(svidClaims(hubs.issuer, 'spiffe://example.org/jwt'), { typ: 'JWT' })
  const exchangeForm = async () => ({
    subject_token: await hubs.login.sign({ aud: 'orders', scope: 'orders:read' }),
    subject_token_type: tokenType.accessToken,
    audience: 'orders-api',
    scope: 'orders:read',
  })

  /** What a platform's token is sent as: such a client only passes it on. */
  const passOn =
    (type: string, token: () => Promise<string>): oauth.ClientAuth =>
    async (_server, _client, body) => {
      body.set('client_assertion_type', type)
      body.set('client_assertion', await token())
    }

  const certificateMethods: readonly [string, string][] = [
    ['tls_client_auth, by subject_dn', 'by-dn'],
    ['tls_client_auth, by san_dns', 'by-dns'],
    ['tls_client_auth, by san_uri', 'by-uri'],
    ['tls_client_auth, by san_ip', 'by-ip'],
    ['tls_client_auth, by san_email', 'by-email'],
    ['self_signed_tls_client_auth, by thumbprint', 'self-pinned'],
    ['self_signed_tls_client_auth, by key', 'self-keyed'],
    ['spiffe_x509', 'spiffe-x509'],
  ]

  describe('independent clients', () => {
    it.each<[string, string, () => oauth.ClientAuth | Promise<oauth.ClientAuth>]>([
      [
        'client_secret_basic, where only a hash is known',
        'hashed',
        () => oauth.ClientSecretBasic(hashedSecret),
      ],
      [
        'client_secret_post, where only a hash is known',
        'hashed',
        () => oauth.ClientSecretPost(hashedSecret),
      ],
      ['client_secret_post', 'posted', () => oauth.ClientSecretPost(postedSecret)],
      ['private_key_jwt', 'keyed', async () => oauth.PrivateKeyJwt({ key: await keyOf(), kid: 'keyed-1' })],
      ...certificateMethods.map(
        ([name, client]) =>
          [name, client, () => oauth.TlsClientAuth()] as [string, string, () => oauth.ClientAuth],
      ),
      ['a service account token', 'account', () => passOn(jwtBearerClientAssertion, projectedToken)],
      ['spiffe_jwt', 'spiffe-jwt', () => passOn(jwtSpiffeClientAssertion, jwtSvid)],
    ])('oauth4webapi discovers, exchanges and validates, with %s', async (_, client_id, authentication) => {
      const options = { [oauth.customFetch]: fetchWith(certificateOf(client_id)) }
      const issuer = new URL(hubs.issuer)
      const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options })
      const server = await oauth.processDiscoveryResponse(issuer, discovered)
      const client = { client_id }
      const response = await oauth.genericTokenEndpointRequest(
        server,
        client,
        await authentication(),
        grantType.tokenExchange,
        await exchangeForm(),
        options,
      )
      const answer = await oauth.processGenericTokenEndpointResponse(server, client, response)
      const called = new Request('http://orders-api/', {
        headers: { authorization: `Bearer ${answer.access_token}` },
      })
      expect(await oauth.validateJwtAccessToken(server, called, 'orders-api', options)).toMatchObject({
        client_id,
        sub: 'alice',
        act: { sub: client_id },
      })
    })

    it.each<[string, string, () => openid.ClientAuth | Promise<openid.ClientAuth>]>([
      ['client_secret_basic', 'hashed', () => openid.ClientSecretBasic(hashedSecret)],
      ['client_secret_post', 'posted', () => openid.ClientSecretPost(postedSecret)],
      ['private_key_jwt', 'keyed', async () => openid.PrivateKeyJwt({ key: await keyOf(), kid: 'keyed-1' })],
      ['tls_client_auth', 'by-dns', () => openid.TlsClientAuth()],
      ['self_signed_tls_client_auth', 'self-keyed', () => openid.TlsClientAuth()],
    ])('openid-client exchanges, and is told of a refusal, with %s', async (_, id, authentication) => {
      const customFetch = fetchWith(certificateOf(id))
      const config = await openid.discovery(new URL(hubs.issuer), id, {}, await authentication(), {
        algorithm: 'oauth2',
        [openid.customFetch]: customFetch,
      })
      config[openid.customFetch] = customFetch
      const form = await exchangeForm()
      const answer = await openid.genericGrantRequest(config, grantType.tokenExchange, form)
      expect(decodeClaims(answer.access_token)).toMatchObject({ client_id: id, sub: 'alice' })
      const wider = openid.genericGrantRequest(config, grantType.tokenExchange, { ...form, scope: 'admin' })
      await expect(wider).rejects.toMatchObject({ status: 400, error: 'invalid_scope' })
    })

    it('are told by metadata of the methods that some client may use', async () => {
      const response = await fetchWith(undefined)(`${hubs.issuer}/.well-known/openid-configuration`, {})
      expect(await response.json()).toMatchObject({
        token_endpoint_auth_methods_supported: [
          'client_secret_basic',
          'client_secret_post',
          'private_key_jwt',
          'self_signed_tls_client_auth',
          'spiffe_jwt',
          'spiffe_x509',
          'tls_client_auth',
        ],
      })
    })
  })

  describe('the sidecar', () => {
    const clients: HttpClient[] = []
    afterEach(async () => {
      await Promise.all(clients.splice(0).map(client => client.close()))
    })

    function exchangerFor(client: ClientCredentials, material: TlsMaterial) {
      const http = createHttpClient({ tls: new Map([[new URL(hubs.issuer).origin, material]]) })
      clients.push(http)
      const exchanger = new TokenExchanger(
        {
          server: hubs.issuer,
          client,
          tls: undefined,
          timeoutMs: 5_000,
          marginSeconds: 5,
          negativeSeconds: 0,
          actor: 'required',
          algorithms: ['ES256'],
          plaintext: false,
        },
        { client: http, clock: systemClock, log: silentLog },
      )
      onTestFinished(() => exchanger.close())
      return async () => {
        const presented = new Secret(await hubs.login.sign({ aud: 'orders', scope: 'orders:read' }))
        const expiresAt = Math.floor(Date.now() / 1000) + 300
        const asked = permittedRequest({ audience: 'orders-api' }, { expiresAt, presented })
        return exchanger.exchange(asked, AbortSignal.timeout(10_000))
      }
    }
    const materialOf = (own: TestCertificate | undefined): TlsMaterial =>
      openMaterial(writeTlsFiles({ ca: identities.serverCa, ...own }))
    const issued = { ok: true, value: { audience: 'orders-api' } }

    it.each<[ClientCredentials['authentication'], string]>([
      ['tls_client_auth', 'by-dn'],
      ['self_signed_tls_client_auth', 'self-pinned'],
      ['spiffe_x509', 'spiffe-x509'],
    ])('exchanges with its certificate, by %s', async (authentication, id) => {
      const exchange = exchangerFor(
        { id, authentication } as ClientCredentials,
        materialOf(certificateOf(id)),
      )
      expect(await exchange()).toMatchObject({ ...issued, value: { actors: [id] } })
    })

    it.each<['kubernetes' | 'spiffe_jwt', string, () => Promise<string>]>([
      ['kubernetes', 'account', projectedToken],
      ['spiffe_jwt', 'spiffe-jwt', jwtSvid],
    ])('exchanges with the token of a file that is replaced, by %s', async (authentication, id, newToken) => {
      const token = join(createTempFolder(), 'token')
      writeFileSync(token, `${await newToken()}\n`)
      const exchange = exchangerFor({ id, authentication, token }, materialOf(undefined))
      expect(await exchange()).toMatchObject({ ...issued, value: { actors: [id] } })
      writeFileSync(`${token}.new`, await newToken())
      renameSync(`${token}.new`, token)
      expect(await exchange()).toMatchObject(issued)
      writeFileSync(token, 'hunter2')
      expect(await exchange()).toMatchObject({ error: { code: 'exchange.client_rejected' } })
    })

    it('is refused with the certificate of another, and without one', async () => {
      for (const own of [certificateOf('by-dns'), undefined]) {
        const exchange = exchangerFor({ id: 'by-dn', authentication: 'tls_client_auth' }, materialOf(own))
        expect(await exchange()).toMatchObject({ error: { code: 'exchange.client_rejected' } })
      }
    })

    it('trusts its server by exchange.tls, and tells no other', async () => {
      const secret = new Secret(postedSecret)
      const credentials = { id: 'posted', authentication: 'client_secret_post', secret } as const
      expect(await exchangerFor(credentials, materialOf(undefined))()).toMatchObject(issued)
      const stranger = openMaterial(writeTlsFiles({ ca: createAuthority('server authority').cert }))
      expect(await exchangerFor(credentials, stranger)()).toMatchObject({
        error: { code: 'exchange.unavailable' },
      })
    })

    it('goes over to another certificate when its files change', async () => {
      const folder = createTempFolder()
      const files = writeTlsFiles({ ca: identities.serverCa, ...certificateOf('by-dns') }, folder)
      const material = openMaterial(files)
      const exchange = exchangerFor({ id: 'by-dn', authentication: 'tls_client_auth' }, material)
      expect(await exchange()).toMatchObject({ error: { code: 'exchange.client_rejected' } })
      const changed = new Promise<unknown>(resolve => material.onChange(resolve))
      writeTlsFiles({ ...certificateOf('by-dn') }, folder)
      await changed
      expect(await exchange()).toMatchObject(issued)
    })

    it('shows its certificate to its server only', async () => {
      const authority = createAuthority()
      const own = authority.issue({ names: ['IP:127.0.0.1'] })
      const other = await startTlsServer({ ...own, requestCert: true, rejectUnauthorized: false })
      const origin = `https://127.0.0.1:${other.port}`
      const materials = new Map([
        [new URL(hubs.issuer).origin, materialOf(certificateOf('by-dn'))],
        [origin, openMaterial(writeTlsFiles({ ca: authority.cert }))],
      ])
      const http = createHttpClient({ tls: materials })
      clients.push(http)
      // It says hello, which is no HTTP.
      await expect(http.send({ method: 'GET', url: new URL(origin), timeoutMs: 5_000 })).rejects.toThrow()
      const [connection] = other.connections
      expect(connection).toBeDefined()
      expect(connection?.getPeerX509Certificate()).toBeUndefined()
    })
  })

  describe('the port of the hub', () => {
    it('lets no session be resumed, with which a certificate would come along', async () => {
      const port = Number(new URL(hubs.issuer).port)
      const sessions: Buffer[] = []
      const reused = await new Promise<boolean>((resolve, reject) => {
        const first = connect({ port, host: '127.0.0.1', ca: identities.serverCa, ...certificateOf('by-dn') })
        first.on('session', session => sessions.push(session))
        first.once('error', reject)
        first.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
        first.resume().once('close', () => {
          const [session] = sessions
          const second = connect({
            port,
            host: '127.0.0.1',
            ca: identities.serverCa,
            ...(session && { session }),
          })
          second.once('error', reject)
          second.once('secureConnect', () => {
            resolve(second.isSessionReused())
            second.destroy()
          })
        })
      })
      expect(reused).toBe(false)
    })

    it('lets nobody shake hands again on a connection, with another certificate', async () => {
      const port = Number(new URL(hubs.issuer).port)
      const socket = connect({
        port,
        host: '127.0.0.1',
        ca: identities.serverCa,
        maxVersion: 'TLSv1.2',
        ...certificateOf('by-dn'),
      })
      const ended = new Promise<string>(resolve => {
        socket.once('error', () => resolve('broken off')).once('close', () => resolve('broken off'))
        socket.once('secureConnect', () => {
          socket.renegotiate({}, error => resolve(error === null ? 'renegotiated' : 'broken off'))
        })
      })
      expect(await ended).toBe('broken off')
      socket.destroy()
    })

    it('follows a chain over an authority between, which the client sends along', async () => {
      const between = identities.authority.issueAuthority('between')
      const leaf = between.issue({ commonName: 'by-dn' })
      const post = (cert: string) =>
        postForm(
          `${hubs.issuer}/token`,
          { client_id: 'by-dn' },
          { ca: identities.serverCa, own: { key: leaf.key, cert } },
        )
      // Who is authenticated is told next that the grant is missing.
      expect(await post(leaf.cert + between.cert)).toMatchObject({ status: 400 })
      expect(await post(leaf.cert)).toMatchObject({ status: 401 })
    })

    it('has one door for all endpoints', async () => {
      for (const endpoint of ['introspect', 'revoke']) {
        const url = `${hubs.issuer}/${endpoint}`
        const post = (own: TestCertificate | undefined) =>
          postForm(url, { client_id: 'by-dn', token: 'x' }, { ca: identities.serverCa, own })
        expect(await post(certificateOf('by-dn'))).toMatchObject({ status: 200 })
        expect(await post(certificateOf('by-dns'))).toMatchObject({ status: 401 })
        expect(await post(undefined)).toMatchObject({ status: 401 })
      }
    })

    it('asks nobody for a certificate where no client has one', async () => {
      const { tls, sts } = identities
      const clients = sts.clients.filter(({ id }) => id === 'posted')
      const plain = await startHubs({ sts: { ...sts, clients }, tls: { ...tls, clientCa: undefined } })
      onTestFinished(() => plain.close())
      const url = `${plain.issuer}/token`
      const shown = { ca: identities.serverCa, own: certificateOf('by-dn') }
      expect(await postForm(url, { client_id: 'posted' }, shown)).toMatchObject({ status: 401 })
      await expect
        .poll(async () => (await plain.events()).at(-1)?.data['detail'])
        .toBe('no client authentication')
    })

    it('takes no authority of the system for one of clients', async () => {
      const { tls, sts } = identities
      const clients = sts.clients.filter(({ id }) => id === 'self-pinned' || id === 'by-dn')
      const own = await startHubs({ sts: { ...sts, clients }, tls: { ...tls, clientCa: undefined } })
      onTestFinished(() => own.close())
      const post = (client_id: string) =>
        postForm(
          `${own.issuer}/token`,
          { client_id },
          { ca: identities.serverCa, own: certificateOf(client_id) },
        )
      expect(await post('by-dn')).toMatchObject({ status: 401 })
      expect(await post('self-pinned')).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
    })

    it('follows its files: another certificate of its own, another authority of clients', async () => {
      const folder = createTempFolder()
      const [before, after] = [createAuthority('before'), createAuthority('after')]
      const server = createAuthority('server')
      const newServer = () => server.issue({ names: ['IP:127.0.0.1'] })
      const files = writeTlsFiles({ ...newServer(), ca: before.cert }, folder)
      const { sts } = identities
      const own = await startHubs({
        sts,
        tls: { cert: files.cert ?? '', key: files.key ?? '', clientCa: files.ca, minVersion: 'TLSv1.2' },
      })
      onTestFinished(() => own.close())
      const agent = new HttpsAgent({
        keepAlive: true,
        maxSockets: 1,
        ca: server.cert,
        ...before.issue({ commonName: 'by-dn' }),
      })
      onTestFinished(() => agent.destroy())
      const attempt = (shown: TestCertificate) =>
        postForm(`${own.issuer}/token`, { client_id: 'by-dn' }, { ca: server.cert, own: shown })
      const [old, young] = [before, after].map(authority => authority.issue({ commonName: 'by-dn' }))
      if (old === undefined || young === undefined) throw new Error('no certificates')
      // Who is authenticated is told next that the grant is missing.
      expect(await attempt(old)).toMatchObject({ status: 400 })
      expect(await attempt(young)).toMatchObject({ status: 401 })
      const kept = await askOver(agent, `${own.issuer}/jwks`)
      const serial = kept.serial
      writeTlsFiles({ ...newServer(), ca: after.cert }, folder)
      await expect.poll(async () => (await attempt(young)).status, { timeout: 10_000 }).toBe(400)
      expect(await attempt(old)).toMatchObject({ status: 401 })
      const next = await askOver(agent, `${own.issuer}/jwks`)
      expect(next.serial).not.toBe(serial)
    })
  })
})

/** Over a connection that is kept: which certificate the server showed on it. */
function askOver(agent: HttpsAgent, url: string): Promise<{ readonly serial: string | undefined }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, response => {
      const { socket } = response
      const serial = 'getPeerX509Certificate' in socket ? serialOf(socket) : undefined
      response.resume().once('end', () => resolve({ serial }))
    })
    sent.once('error', reject).end()
  })
}

function serialOf(socket: object): string | undefined {
  return (
    socket as { getPeerX509Certificate(): { serialNumber: string } | undefined }
  ).getPeerX509Certificate()?.serialNumber
}
