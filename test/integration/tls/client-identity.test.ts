import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2, createSecureServer, type Http2ServerRequest } from 'node:http2'
import { createServer as createHttps, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type ConnectionOptions, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Result } from '../../../src/base/result.ts'
import {
  type ClientIdentity,
  type ClientRules,
  clientCertificateOptions,
  identifyClient,
} from '../../../src/base/tls-client-identity.ts'
import {
  type CertificateRequest,
  canMakeCertificates,
  createAuthority,
  createCertificate,
  expired,
  type TestCertificate,
  withCertificates,
} from '../../support/certificate.ts'
import { handshake, openMaterial, openSession, writeTlsFiles } from '../../support/tls.ts'

const shop = 'spiffe://test/shop'
const required: ClientRules = { clientCertificate: 'required', spiffeIds: [] }
const optional: ClientRules = { clientCertificate: 'optional', spiffeIds: [] }
const pinned: ClientRules = { clientCertificate: 'required', spiffeIds: [shop, 'spiffe://test/web'] }
const optionallyPinned: ClientRules = { ...pinned, clientCertificate: 'optional' }

type Identified = Result<ClientIdentity | undefined, string>

describe.skipIf(!canMakeCertificates)(`a client of the data port${withCertificates}`, () => {
  const authority = createAuthority()
  const stranger = createAuthority('stranger')
  const server = authority.issue({ names: ['IP:127.0.0.1'] })
  const good = authority.issue({ names: [`URI:${shop}`], usage: ['clientAuth'] })

  /** A server that answers `hello` to whom it lets in and hangs up on everybody else. */
  async function start(rules: ClientRules, more: TlsOptions = {}) {
    const identified: Identified[] = []
    const material = openMaterial(writeTlsFiles({ ...server, ca: authority.cert }))
    const options = { ...material.options(), ...clientCertificateOptions(rules), ...more }
    const listener = createServer(options, socket => {
      socket.on('error', () => {})
      const identity = identifyClient(socket, rules)
      identified.push(identity)
      if (identity.ok) socket.end('hello')
      else socket.destroy()
    })
    listener.on('tlsClientError', () => {})
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    onTestFinished(() => void listener.close())
    const { port } = listener.address() as AddressInfo
    const ca = authority.cert
    return {
      port,
      identified,
      call: (certificate?: TestCertificate, options: ConnectionOptions = {}) =>
        handshake(port, { ca, ...certificate, ...options }),
    }
  }

  it('is let in with a good certificate, and known by it', async () => {
    for (const rules of [required, optional, pinned, optionallyPinned]) {
      const { call, identified } = await start(rules)
      expect(await call(good)).toBe('hello')
      const [identity] = identified
      expect(identity).toMatchObject({ ok: true })
      const client = identity?.ok ? identity.value : undefined
      expect(client?.certificate.toString().trim()).toBe(good.cert.trim())
      expect(client?.spiffeId).toBe(rules.spiffeIds.length > 0 ? shop : undefined)
    }
  })

  it('needs no certificate where none is asked for, and is nobody then', async () => {
    const { call, identified } = await start({ clientCertificate: 'none', spiffeIds: [] })
    expect(await call(good)).toBe('hello')
    expect(await call()).toBe('hello')
    expect(identified).toEqual([
      { ok: true, value: undefined },
      { ok: true, value: undefined },
    ])
  })

  it('needs no certificate where it is optional, and is nobody then', async () => {
    for (const rules of [optional, optionallyPinned]) {
      const { call, identified } = await start(rules)
      expect(await call()).toBe('hello')
      expect(identified).toEqual([{ ok: true, value: undefined }])
    }
  })

  it('without a certificate is refused where one is required', async () => {
    for (const rules of [required, pinned]) {
      const { call, identified } = await start(rules)
      expect(await call()).not.toBe('hello')
      expect(identified).toEqual([])
      expect(await call(good)).toBe('hello')
    }
  })

  it.each<[string, string, () => TestCertificate]>([
    ['a self-signed one', 'DEPTH_ZERO_SELF_SIGNED_CERT', () => createCertificate(`URI:${shop}`)],
    [
      'one of an unknown authority',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      () => stranger.issue({ names: [`URI:${shop}`] }),
    ],
    ['an expired one', 'CERT_HAS_EXPIRED', () => authority.issue({ names: [`URI:${shop}`], ...expired })],
    [
      'one that is for servers only',
      'INVALID_PURPOSE',
      () => authority.issue({ names: [`URI:${shop}`], usage: ['serverAuth'] }),
    ],
  ])('G01 with %s is refused, also where it is optional', async (_what, code, make) => {
    const certificate = make()
    for (const rules of [required, pinned]) {
      const { call, identified } = await start(rules)
      expect(await call(certificate)).not.toBe('hello')
      expect(identified).toEqual([])
    }
    for (const rules of [optional, optionallyPinned]) {
      const { call, identified } = await start(rules)
      expect(await call(certificate)).not.toBe('hello')
      expect(identified).toEqual([{ ok: false, error: `a certificate that does not verify (${code})` }])
    }
  })

  it.each<[string, CertificateRequest, string]>([
    ['another SPIFFE ID', { names: ['URI:spiffe://test/billing'] }, 'with a SPIFFE ID that is not permitted'],
    ['two URIs', { names: [`URI:${shop}`, 'URI:spiffe://test/x'] }, 'with several URIs'],
    ['no URI', { names: ['DNS:shop.test'] }, 'without a URI'],
    [
      'a URI of another kind',
      { names: ['URI:https://test/shop'] },
      'whose URI is no SPIFFE ID of a workload',
    ],
    ['the ID of a trust domain', { names: ['URI:spiffe://test'] }, 'whose URI is no SPIFFE ID of a workload'],
    [
      'the right ID and the right to sign',
      { names: [`URI:${shop}`], extensions: ['keyUsage=digitalSignature,keyCertSign'] },
      'of an authority',
    ],
  ])('with %s is refused where SPIFFE IDs are asked for', async (_what, request, reason) => {
    const certificate = authority.issue(request)
    for (const rules of [pinned, optionallyPinned]) {
      const { call, identified } = await start(rules)
      expect(await call(certificate)).not.toBe('hello')
      expect(identified).toEqual([{ ok: false, error: `a certificate ${reason}` }])
    }
    const { call } = await start(required)
    expect(await call(certificate)).toBe('hello')
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'that resumes a session of %s is the same client',
    async version => {
      for (const rules of [required, optional, pinned, optionallyPinned]) {
        const { port, call, identified } = await start(rules, { maxVersion: version })
        const session = await openSession(port, { ca: authority.cert, ...good })
        // Presents no certificate any more: the session stands for it.
        expect(await call(undefined, { session })).toBe('hello')
        expect(identified).toHaveLength(2)
        for (const identity of identified) {
          expect(identity.ok && identity.value?.certificate.toString().trim()).toBe(good.cert.trim())
        }
      }
    },
  )

  describe.each([
    ['HTTP/1.1', 'of https', 'http/1.1'],
    ['HTTP/1.1', 'of http2', 'http/1.1'],
    ['HTTP/2', 'of http2', 'h2'],
  ])('over %s to a server %s', (_protocol, kind, alpn) => {
    async function startHttp(rules: ClientRules) {
      const material = openMaterial(writeTlsFiles({ ...server, ca: authority.cert }))
      const options = { ...material.options(), ...clientCertificateOptions(rules) }
      const known: (string | undefined)[] = []
      const refused: string[] = []
      const onRequest = (request: Http2ServerRequest | IncomingMessage, response: { end(): void }): void => {
        const socket = 'stream' in request ? request.stream.session?.socket : request.socket
        const identity = identifyClient(socket as TLSSocket, rules)
        known.push(identity.ok ? identity.value?.spiffeId : identity.error)
        response.end()
      }
      const listener =
        kind === 'of https'
          ? createHttps(options, onRequest)
          : createSecureServer({ ...options, allowHTTP1: true }, onRequest)
      listener.prependListener('secureConnection', (socket: TLSSocket) => {
        const identity = identifyClient(socket, rules)
        if (identity.ok) return
        refused.push(identity.error)
        socket.destroy()
      })
      listener.on('tlsClientError', () => {})
      listener.listen(0, '127.0.0.1')
      await once(listener, 'listening')
      onTestFinished(() => void listener.close())
      const { port } = listener.address() as AddressInfo
      return { known, refused, call: (certificate?: TestCertificate) => request(port, certificate) }
    }

    /** The status, or nothing when the connection ended without an answer. */
    function request(port: number, certificate?: TestCertificate): Promise<number | undefined> {
      const trust = { ca: authority.cert, ...certificate }
      const { promise, resolve } = Promise.withResolvers<number | undefined>()
      if (alpn === 'h2') {
        const session = connectHttp2(`https://127.0.0.1:${port}`, trust)
        session.on('error', () => {}).once('close', () => resolve(undefined))
        const stream = session.request({})
        stream.on('error', () => {}).once('response', headers => resolve(Number(headers[':status'])))
        stream.resume().once('end', () => session.close())
      } else {
        const sent = get({ port, host: '127.0.0.1', ...trust, agent: false })
        sent.once('error', () => resolve(undefined))
        sent.once('response', response => resolve(response.resume().statusCode))
      }
      return promise
    }

    it('is known by its certificate when it asks', async () => {
      const { call, known, refused } = await startHttp(pinned)
      expect(await call(good)).toBe(200)
      expect(known).toEqual([shop])
      expect(refused).toEqual([])
    })

    it('is nobody without one where it is optional', async () => {
      const { call, known } = await startHttp(optionallyPinned)
      expect(await call()).toBe(200)
      expect(known).toEqual([undefined])
    })

    it('is refused before it is heard', async () => {
      const other = authority.issue({ names: ['URI:spiffe://test/billing'] })
      const unknown = stranger.issue({ names: [`URI:${shop}`] })
      const { call, known, refused } = await startHttp(optionallyPinned)
      expect(await call(other)).toBeUndefined()
      expect(await call(unknown)).toBeUndefined()
      expect(known).toEqual([])
      expect(refused).toEqual([
        'a certificate with a SPIFFE ID that is not permitted',
        'a certificate that does not verify (UNABLE_TO_VERIFY_LEAF_SIGNATURE)',
      ])
    })
  })
})
