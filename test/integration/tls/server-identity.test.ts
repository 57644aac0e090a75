import { afterEach, describe, expect, it } from 'vitest'
import { connectOptions } from '../../../src/base/tls-connect.ts'
import {
  type CertificateRequest,
  canMakeCertificates,
  createAuthority,
  createCertificate,
  expired,
  withCertificates,
} from '../../support/certificate.ts'
import { handshake, openMaterial, openSession, startTlsServer, writeTlsFiles } from '../../support/tls.ts'

const url = new URL('https://127.0.0.1')
const orders = 'spiffe://test/orders'
const pins = [orders, 'spiffe://test/ns/shop/sa/orders']

describe.skipIf(!canMakeCertificates)(`a connection to upstream${withCertificates}`, () => {
  const authority = createAuthority()
  const stranger = createAuthority('stranger')

  /** Connects to a server with a certificate; asks for `name`, or for an identity. */
  async function connectTo(
    certificate: { readonly cert: string; readonly key: string },
    target: { readonly name?: string; readonly spiffeIds?: readonly string[]; readonly ca?: string },
  ): Promise<string> {
    const { port, connections } = await startTlsServer(certificate)
    const material = openMaterial(writeTlsFiles({ ca: target.ca ?? authority.cert }))
    const { name: serverName, spiffeIds = [] } = target
    const heard = await handshake(port, connectOptions(material, { url, serverName, spiffeIds }))
    if (heard !== 'hello') for (const { bytesRead } of connections) expect(bytesRead).toBe(0)
    return heard
  }
  const named = (...names: string[]) => authority.issue({ names })

  it('is made to a server of that name', async () => {
    expect(await connectTo(named('DNS:orders.test'), { name: 'orders.test' })).toBe('hello')
    expect(await connectTo(named('DNS:*.shop.test'), { name: 'orders.shop.test' })).toBe('hello')
  })

  it('is made to a server of that address, when it has no name', async () => {
    expect(await connectTo(named('IP:127.0.0.1'), {})).toBe('hello')
    expect(await connectTo(named('IP:127.0.0.2'), {})).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(await connectTo(named('DNS:127.0.0.1'), {})).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  it('is made to a server of an authority below the trusted one that sends its chain', async () => {
    const below = authority.issueAuthority('below')
    const { cert, key } = below.issue({ names: ['DNS:orders.test'] })
    const target = { name: 'orders.test' }
    expect(await connectTo({ cert: cert + below.cert, key }, target)).toBe('hello')
    expect(await connectTo({ cert, key }, target)).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  })

  it.each<[string, string, () => { readonly cert: string; readonly key: string }]>([
    ['is self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT', () => createCertificate('DNS:orders.test')],
    [
      'is from an unknown authority',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      () => stranger.issue({ names: ['DNS:orders.test', `URI:${orders}`] }),
    ],
    [
      'is from an unknown authority of the same name',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      () => createAuthority().issue({ names: ['DNS:orders.test', `URI:${orders}`] }),
    ],
    [
      'has expired',
      'CERT_HAS_EXPIRED',
      () => authority.issue({ names: ['DNS:orders.test', `URI:${orders}`], ...expired }),
    ],
    [
      'is not valid yet',
      'CERT_NOT_YET_VALID',
      () =>
        authority.issue({
          names: ['DNS:orders.test', `URI:${orders}`],
          from: '20400101000000Z',
          until: '20400201000000Z',
        }),
    ],
    [
      'is for clients only',
      'INVALID_PURPOSE',
      () => authority.issue({ names: ['DNS:orders.test', `URI:${orders}`], usage: ['clientAuth'] }),
    ],
    [
      'is for mail only',
      'INVALID_PURPOSE',
      () => authority.issue({ names: ['DNS:orders.test', `URI:${orders}`], usage: ['emailProtection'] }),
    ],
  ])(
    'G01 is refused when the certificate %s, with %s, by name and by identity',
    async (_what, code, make) => {
      const certificate = make()
      expect(await connectTo(certificate, { name: 'orders.test' })).toBe(code)
      expect(await connectTo(certificate, { spiffeIds: pins })).toBe(code)
    },
  )

  it.each([
    ['orders.test', 'DNS:myorders.test'],
    ['orders.test', 'DNS:orders.test.evil.test'],
    ['orders.test', 'DNS:orders.tes'],
    ['orders.test', 'DNS:rders.test'],
    ['a.orders.test', 'DNS:orders.test'],
    ['orders.test', 'DNS:a.orders.test'],
    ['orders.test', 'DNS:*.orders.test'],
    ['a.b.orders.test', 'DNS:*.orders.test'],
    ['orders.test', 'DNS:*.test'],
    ['orders.test', 'DNS:*'],
    ['orders.test', 'DNS:ordersxtest'],
    ['orders.test', 'URI:https://orders.test/'],
    ['orders.test', 'URI:spiffe://orders.test/x'],
    ['orders.test', 'email:a@orders.test'],
    ['orders.test', 'IP:127.0.0.1'],
  ])('to %s is refused when the certificate is for %s', async (name, alternative) => {
    expect(await connectTo(named(alternative), { name })).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  it('asks for the configured name, whatever name a client library hands in', async () => {
    const { port, connections } = await startTlsServer(named('DNS:orders.test'))
    const material = openMaterial(writeTlsFiles({ ca: authority.cert }))
    const options = connectOptions(material, {
      url: new URL('https://orders.test'),
      serverName: undefined,
      spiffeIds: [],
    })
    expect(await handshake(port, options)).toBe('hello')
    expect(connections.at(-1)?.servername).toBe('orders.test')
    const other = connectOptions(material, {
      url: new URL('https://other.test'),
      serverName: undefined,
      spiffeIds: [],
    })
    expect(await handshake(port, { ...other, servername: 'orders.test' })).toBe(
      'ERR_TLS_CERT_ALTNAME_INVALID',
    )
    const address = connectOptions(material, {
      url: new URL('https://[::1]'),
      serverName: undefined,
      spiffeIds: [],
    })
    expect(address.servername).toBe('')
  })

  it.each<[string, CertificateRequest]>([
    // dNSName "x.test, DNS:orders.test" and "orders.test\0.evil.test", which text would cut or split.
    ['a name that looks like two', rawName('x.test, DNS:orders.test')],
    ['a name with NUL in it', rawName('orders.test\0.evil.test')],
    ['another name, and the right one as its subject', { names: ['DNS:x.test'], commonName: 'orders.test' }],
  ])('is refused when the certificate has %s', async (_what, request) => {
    expect(await connectTo(authority.issue(request), { name: 'orders.test' })).toBe(
      'ERR_TLS_CERT_ALTNAME_INVALID',
    )
  })

  it('by SPIFFE ID is made to each of those that are permitted, whatever its name', async () => {
    for (const id of pins) {
      expect(await connectTo(named(`URI:${id}`), { spiffeIds: pins })).toBe('hello')
      expect(await connectTo(named('DNS:x.test', `URI:${id}`), { name: 'y.test', spiffeIds: pins })).toBe(
        'hello',
      )
    }
  })

  it.each<[string, CertificateRequest]>([
    ['another SPIFFE ID', { names: ['URI:spiffe://test/billing'] }],
    ['the ID of a longer path', { names: [`URI:${orders}/x`] }],
    ['the ID of a shorter path', { names: ['URI:spiffe://test/order'] }],
    ['the ID in capitals', { names: ['URI:spiffe://test/Orders'] }],
    ['the ID with a trust domain in capitals', { names: ['URI:spiffe://TEST/orders'] }],
    ['the ID with a slash behind it', { names: [`URI:${orders}/`] }],
    ['the ID of another trust domain', { names: ['URI:spiffe://test.evil/orders'] }],
    ['no URI', { names: ['DNS:orders.test'] }],
    ['no names at all', {}],
    ['two URIs, the right one first', { names: [`URI:${orders}`, 'URI:spiffe://test/billing'] }],
    ['two URIs, the right one last', { names: ['URI:https://a.test/', `URI:${orders}`] }],
    ['the right URI twice', { names: [`URI:${orders}`, `URI:${orders}`] }],
    ['the ID as a DNS name', rawName(orders)],
    ['the ID behind a comma in a DNS name', rawName(`x.test, URI:${orders}`)],
    ['the ID as its subject', { commonName: orders }],
    ['the ID and more behind NUL', rawUri(`${orders}\0/x`)],
    ['the ID and another behind a comma', rawUri(`${orders}, URI:spiffe://test/x`)],
    [
      'the right to sign certificates',
      { names: [`URI:${orders}`], extensions: ['keyUsage=digitalSignature,keyCertSign'] },
    ],
    [
      'the right to sign revocation lists',
      { names: [`URI:${orders}`], extensions: ['keyUsage=digitalSignature,cRLSign'] },
    ],
    [
      'the mark of an authority',
      { names: [`URI:${orders}`], extensions: ['basicConstraints=critical,CA:TRUE'] },
    ],
  ])('by SPIFFE ID is refused when the certificate has %s', async (_what, request) => {
    const certificate = authority.issue(request)
    expect(await connectTo(certificate, { name: 'orders.test', spiffeIds: pins })).toBe(
      'ERR_TLS_PEER_NOT_PERMITTED',
    )
    const alone = authority.issue({ names: [`URI:${orders}`] })
    expect(await connectTo(alone, { name: 'orders.test', spiffeIds: pins })).toBe('hello')
  })

  describe('with NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment', () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    afterEach(() => {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    })

    it('G01 is refused all the same', async () => {
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
      const certificate = stranger.issue({ names: ['DNS:orders.test'] })
      expect(await connectTo(certificate, { name: 'orders.test' })).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
    })
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is decided on by the identity again, for what %s resumes with other material',
    async version => {
      const { cert, key } = authority.issue({ names: [`URI:${orders}`] })
      const { port } = await startTlsServer({ cert, key, maxVersion: version })
      const material = openMaterial(writeTlsFiles({ ca: authority.cert }))
      const options = connectOptions(material, { url, serverName: undefined, spiffeIds: pins })
      const resumed = { ...options, session: await openSession(port, options) }
      expect(await handshake(port, resumed)).toBe('hello')
      // Node does not ask for the identity of a resumed session: it must be kept with the material that it was made by.
      const other = openMaterial(writeTlsFiles({ ca: stranger.cert }))
      const target = { url, serverName: undefined, spiffeIds: ['spiffe://test/billing'] }
      expect(await handshake(port, connectOptions(other, target))).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
      expect(await handshake(port, connectOptions(material, target))).toBe('ERR_TLS_PEER_NOT_PERMITTED')
    },
  )
})

/** A certificate with one dNSName of these bytes. */
function rawName(text: string): CertificateRequest {
  return rawAlternative(0x82, text)
}

/** A certificate with one URI of these bytes. */
function rawUri(text: string): CertificateRequest {
  return rawAlternative(0x86, text)
}

function rawAlternative(tag: number, text: string): CertificateRequest {
  const name = Buffer.from([tag, text.length, ...Buffer.from(text, 'latin1')])
  const names = Buffer.from([0x30, name.length, ...name])
  return { extensions: [`subjectAltName=DER:${names.toString('hex')}`] }
}
