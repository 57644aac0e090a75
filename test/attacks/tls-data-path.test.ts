import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, connect, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  canMakeCertificates,
  createAuthority,
  createCertificate,
  expired,
  type TestCertificate,
  withCertificates,
} from '../support/certificate.ts'
import { requestRaw } from '../support/raw-client.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'
import { writeTlsFiles } from '../support/tls.ts'
import { until } from '../support/until.ts'
import { response, startUpstream, type Upstream } from '../support/upstream.ts'
import { handshakeAnswer, handshakeFields } from '../support/websocket-bytes.ts'

/**
 * Pattern G, TLS on the data path: somebody answers in the place of upstream, or connects who may not. He must get
 * nothing, neither a token nor a byte of a request; and files that go bad while the sidecar runs must change nothing.
 */

const orders = 'spiffe://test/orders'
const shop = 'spiffe://test/shop'

describe.skipIf(!canMakeCertificates)(`TLS on the data path${withCertificates}`, () => {
  const authority = createAuthority()
  const stranger = createAuthority('stranger')
  const environment = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  const names = ['IP:127.0.0.1', `URI:${orders}`]
  let hop: RunningHop | undefined
  let upstream: Upstream | undefined

  afterEach(async () => {
    if (environment === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = environment
    await hop?.close()
    await upstream?.close()
    hop = undefined
    upstream = undefined
  })

  /** A sidecar before an upstream with a certificate. */
  async function startBefore(certificate: TestCertificate, upstreamKeys?: string, options: HopOptions = {}) {
    upstream = await startUpstream({ tls: { ...certificate, requestCert: true, rejectUnauthorized: false } })
    hop = await startHop({ upstream, ...(upstreamKeys !== undefined && { upstreamKeys }), ...options })
    return hop
  }

  const requestOf = (host: string, authorization = '', path = '/public/1', more = '') =>
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${authorization}${more}\r\n`

  /** One request with a token, and what upstream heard. */
  async function get(host = 'api.shop.test') {
    if (hop === undefined || upstream === undefined) throw new Error('nothing runs')
    const index = hop.lines.length
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const text = requestOf(host, `Authorization: Bearer ${token}\r\n`, '/orders/1')
    const { status } = await requestRaw(hop.port, text)
    const { refusal } = await hop.event(index)
    return { status, refusal, heard: heardBy(upstream) }
  }

  const heardBy = (server: Upstream): boolean => server.connections.some(({ raw }) => raw.length > 0)
  const unreachable = { status: 502, refusal: 'upstream.unreachable', heard: false }
  const forwarded = { status: 200, refusal: undefined, heard: true }
  const trust = (more = '') => `tls: { ca: ${writeTlsFiles({ ca: authority.cert }).ca}${more} }`

  it('G01 reaches an upstream of the trusted authority, by address, by name and by SPIFFE ID', async () => {
    await startBefore(authority.issue({ names }), trust())
    expect(await get()).toEqual(forwarded)
    await hop?.close()
    await upstream?.close()
    await startBefore(authority.issue({ names: ['DNS:orders.test'] }), trust(', server_name: orders.test'))
    expect(await get()).toEqual(forwarded)
    await hop?.close()
    await upstream?.close()
    await startBefore(authority.issue({ names: [`URI:${orders}`] }), trust(`, spiffe_ids: ['${orders}']`))
    expect(await get()).toEqual(forwarded)
  })

  it('G01 reaches an upstream of an authority that Node brings', async () => {
    const trusted = getCACertificates('default')
    onTestFinished(() => setDefaultCACertificates(trusted))
    setDefaultCACertificates([...trusted, authority.cert])
    await startBefore(authority.issue({ names }))
    expect(await get()).toEqual(forwarded)
  })

  it.each<[string, () => TestCertificate]>([
    ['a self-signed certificate', () => createCertificate(names.join(','))],
    ['a certificate of another authority', () => stranger.issue({ names })],
    ['an expired certificate', () => authority.issue({ names, ...expired })],
    ['a certificate for another host', () => authority.issue({ names: ['IP:127.0.0.10', 'DNS:127.0.0.1'] })],
    ['a certificate for clients', () => authority.issue({ names, usage: ['clientAuth'] })],
  ])('G01 gives nothing to an upstream with %s', async (_what, make) => {
    const certificate = make()
    const ways = [undefined, trust(), trust(`, spiffe_ids: ['${orders}']`)]
    for (const way of ways) {
      for (const variable of [undefined, '0']) {
        if (variable !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = variable
        await startBefore(certificate, way)
        expect(await get()).toEqual(unreachable)
        delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
        await hop?.close()
        await upstream?.close()
      }
    }
  })

  it('G01 does not let the caller choose, by Host, which name is asked for and checked', async () => {
    await startBefore(authority.issue({ names: ['DNS:evil.test'] }), trust())
    expect(await get('evil.test')).toEqual(unreachable)
    await hop?.close()
    await upstream?.close()
    await startBefore(authority.issue({ names: ['DNS:orders.test'] }), trust(', server_name: orders.test'))
    for (const host of ['a.test', 'b.test', '[::1]:80', '127.0.0.1'])
      expect((await get(host)).status).toBe(200)
    // One connection for all of them: it does not depend on the host.
    expect(new Set(upstream?.requests.map(({ connection }) => connection)).size).toBe(1)
  })

  it('G01 gives no upgrade to an upstream that is not the one', async () => {
    const routes = '\n  - { path: /public/**, public: true, websocket: true }\n'
    const upgrade = requestOf(
      'evil.test',
      '',
      '/public/1',
      handshakeFields.map(field => `${field}\r\n`).join(''),
    )
    await startBefore(authority.issue({ names: ['DNS:evil.test'] }), trust(), { routes })
    expect((await requestRaw(hop?.port ?? 0, upgrade)).status).toBe(502)
    expect(heardBy(upstream as Upstream)).toBe(false)
    await hop?.close()
    await upstream?.close()
    await startBefore(authority.issue({ names }), trust(), { routes })
    upstream?.answerWith(handshakeAnswer)
    expect((await requestRaw(hop?.port ?? 0, upgrade)).status).toBe(101)
  })

  it.each([
    ['another SPIFFE ID', ['URI:spiffe://test/billing']],
    ['two URIs', [`URI:${orders}`, 'URI:spiffe://test/billing']],
    ['the right address and no URI', ['IP:127.0.0.1']],
  ])('G01 gives nothing to an upstream with %s where one SPIFFE ID is permitted', async (_what, other) => {
    await startBefore(authority.issue({ names: other }), trust(`, spiffe_ids: ['${orders}']`))
    expect(await get()).toEqual(unreachable)
  })

  it('shows its own certificate to upstream', async () => {
    const own = authority.issue({ names: [`URI:${shop}`], usage: ['clientAuth'] })
    const { cert, key } = writeTlsFiles(own)
    const ca = authority.cert
    upstream = await startUpstream({ tls: { ...authority.issue({ names }), ca, requestCert: true } })
    hop = await startHop({ upstream, upstreamKeys: trust(`, cert: ${cert}, key: ${key}`) })
    expect(await get()).toEqual(forwarded)
    await hop.close()
    hop = await startHop({ upstream, upstreamKeys: trust() })
    expect((await get()).status).toBe(502)
  })

  it('G02 goes on with the authorities of before while their file is bad, and takes the next good ones', async () => {
    const files = writeTlsFiles({ ca: authority.cert })
    await startBefore(authority.issue({ names }), `tls: { ca: ${files.ca} }`)
    // What is decided on is the next connection.
    upstream?.answerWith(response(200, 'ok', { Connection: 'close' }))
    expect(await get()).toEqual(forwarded)
    writeFileSync(files.ca ?? '', '')
    await until(() => hop?.log.some(line => line.includes('is empty')) === true, 'a complaint')
    expect(await get()).toEqual(forwarded)
    writeFileSync(files.ca ?? '', stranger.cert)
    await until(async () => (await get()).status === 502, 'the other authority')
  })

  describe('of a data port with TLS', () => {
    const server = authority.issue({ names: ['IP:127.0.0.1', 'DNS:orders.test'] })
    const client = authority.issue({ names: [`URI:${shop}`] })

    async function startPort(more = '', folder?: string) {
      const { cert, key, ca } = writeTlsFiles({ ...server, ca: authority.cert }, folder)
      const tls = `{ cert: ${cert}, key: ${key}${more.replace('CA', ca ?? '')} }`
      hop = await startHop({ listen: `{ address: 127.0.0.1:0, tls: ${tls} }` })
      return hop
    }

    /** The status line, or nothing when the connection ended without one. */
    function call(options: ConnectionOptions = {}): Promise<string> {
      return new Promise(resolve => {
        let heard = ''
        const port = hop?.port ?? 0
        const socket = connect({ host: '127.0.0.1', port, ca: authority.cert, ...options }, () => {
          socket.write(requestOf('api.shop.test', '', '/public/1', 'Connection: close\r\n'))
        })
        socket.on('data', chunk => {
          heard += chunk
        })
        socket.on('error', () => {})
        socket.once('close', () => resolve(heard.split('\r\n')[0] ?? ''))
      })
    }
    const answered = 'HTTP/1.1 200 Status'

    it('answers over TLS and not without', async () => {
      await startPort()
      expect(hop?.url).toMatch(/^https:/)
      expect(await call()).toBe(answered)
      await expect(requestRaw(hop?.port ?? 0, requestOf('a'), { timeoutMs: 2_000 })).rejects.toThrow(
        /no response/,
      )
      expect(hop?.upstream.requests).toHaveLength(1)
    })

    it('speaks TLS 1.2, unless TLS 1.3 is the least', async () => {
      await startPort()
      expect(await call({ maxVersion: 'TLSv1.2' })).toBe(answered)
      await hop?.close()
      await startPort(', min_version: TLSv1.3')
      expect(await call({ maxVersion: 'TLSv1.2' })).toBe('')
      expect(await call()).toBe(answered)
    })

    it.each<[string, () => TestCertificate | undefined]>([
      ['no certificate', () => undefined],
      ['a self-signed certificate', () => createCertificate(`URI:${shop}`)],
      ['a certificate of another authority', () => stranger.issue({ names: [`URI:${shop}`] })],
      ['an expired certificate', () => authority.issue({ names: [`URI:${shop}`], ...expired })],
      ['a certificate for servers', () => authority.issue({ names: [`URI:${shop}`], usage: ['serverAuth'] })],
      ['another SPIFFE ID', () => authority.issue({ names: ['URI:spiffe://test/billing'] })],
    ])('G01 hears nothing of a client with %s where one is required', async (_what, make) => {
      await startPort(`, client_ca: CA, spiffe_ids: ['${shop}']`)
      expect(await call(make())).toBe('')
      expect(await call(client)).toBe(answered)
      expect(hop?.upstream.requests).toHaveLength(1)
    })

    it('G01 takes no certificate, but no bad one, where it is optional', async () => {
      await startPort(', client_ca: CA, client_certificate: optional')
      expect(await call()).toBe(answered)
      expect(await call(client)).toBe(answered)
      expect(await call(stranger.issue())).toBe('')
      expect(await call(authority.issue(expired))).toBe('')
      expect(hop?.upstream.requests).toHaveLength(2)
    })

    it('G02 shows the certificate of before while the files are bad, and then the next good one', async () => {
      const next = authority.issue({ names: ['IP:127.0.0.1'], commonName: 'next' })
      const shown = async (): Promise<unknown> => {
        const socket = connect({ host: '127.0.0.1', port: hop?.port ?? 0, ca: authority.cert })
        await once(socket, 'secureConnect')
        const { CN } = socket.getPeerCertificate().subject
        socket.destroy()
        return CN
      }
      const { cert = '', key = '' } = writeTlsFiles(server)
      hop = await startHop({ listen: `{ address: 127.0.0.1:0, tls: { cert: ${cert}, key: ${key} } }` })
      const open = connect({ host: '127.0.0.1', port: hop.port, ca: authority.cert })
      await once(open, 'secureConnect')
      writeFileSync(key, '')
      await until(() => hop?.log.some(line => line.includes('is empty')) === true, 'a complaint')
      expect(await shown()).toBe('hopgate-test')
      writeTlsFiles(next, join(cert, '..'))
      await until(async () => (await shown()) === 'next', 'the new certificate')
      open.write(requestOf('api.shop.test'))
      expect(String((await once(open, 'data'))[0])).toContain(answered)
      open.destroy()
    })
  })
})
