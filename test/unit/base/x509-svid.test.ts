import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCertificateExtensions } from '../../../src/base/certificate-extensions.ts'
import { readDer } from '../../../src/base/der.ts'
import { isSpiffeId } from '../../../src/base/spiffe-id.ts'
import { readSpiffeId } from '../../../src/base/x509-svid.ts'
import { canMakeCertificates, createAuthority, withCertificates } from '../../support/certificate.ts'

describe('readDer', () => {
  it('reads elements with short and long lengths', () => {
    const long = Buffer.alloc(300, 7)
    const bytes = Buffer.concat([Buffer.from([0x02, 0x01, 0x05, 0x05, 0x00, 0x04, 0x82, 0x01, 0x2c]), long])
    expect(readDer(bytes)).toEqual([
      { tag: 2, content: Buffer.from([5]) },
      { tag: 5, content: Buffer.alloc(0) },
      { tag: 4, content: long },
    ])
    expect(readDer(Buffer.alloc(0))).toEqual([])
  })

  it.each([
    ['a tag alone', [0x30]],
    ['a length past the end', [0x30, 0x02, 0x00]],
    ['a long length past the end', [0x30, 0x84, 0xff, 0xff, 0xff, 0xff]],
    ['a length of a length past the end', [0x30, 0x82, 0x01]],
    ['an indefinite length', [0x30, 0x80, 0x00, 0x00]],
    ['a length of five bytes', [0x30, 0x85, 0, 0, 0, 0, 0]],
    ['a tag of several bytes', [0x1f, 0x81, 0x00, 0x00]],
  ])('refuses %s', (_what, bytes) => {
    expect(() => readDer(Buffer.from(bytes))).toThrow(RangeError)
  })
})

describe.skipIf(!canMakeCertificates)(`readSpiffeId${withCertificates}`, () => {
  const authority = createAuthority()
  const rawOf = (pem: string): Buffer => new X509Certificate(pem).raw
  const good = rawOf(
    authority.issue({
      names: ['DNS:a.test', 'IP:10.0.0.1', 'email:a@a.test', 'URI:spiffe://test/a', 'otherName:1.2.3;UTF8:x'],
      extensions: ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature,keyAgreement'],
    }).cert,
  )

  it('reads what a certificate says', () => {
    expect(readCertificateExtensions(good)).toEqual({
      uris: ['spiffe://test/a'],
      dnsNames: ['a.test'],
      emails: ['a@a.test'],
      addresses: ['0a000001'],
      isAuthority: false,
      mayCertify: false,
      maySign: true,
    })
    expect(readSpiffeId(good)).toEqual({ ok: true, value: 'spiffe://test/a' })
  })

  it('reads the same as OpenSSL does', () => {
    for (const names of [
      [],
      ['DNS:a.test'],
      ['URI:https://a.test/?b=c'],
      ['URI:urn:a', 'DNS:b', 'URI:urn:b'],
    ]) {
      const raw = rawOf(authority.issue({ names }).cert)
      const text = new X509Certificate(raw).subjectAltName ?? ''
      expect(readCertificateExtensions(raw).uris).toEqual(
        [...text.matchAll(/URI:([^,]+)/g)].map(([, uri]) => uri),
      )
    }
  })

  it.each([
    ['basicConstraints=CA:TRUE', { isAuthority: true, mayCertify: false, maySign: true }],
    ['basicConstraints=critical,CA:TRUE,pathlen:0', { isAuthority: true, mayCertify: false, maySign: true }],
    ['basicConstraints=CA:FALSE', { isAuthority: false, mayCertify: false, maySign: true }],
    ['keyUsage=keyCertSign', { isAuthority: false, mayCertify: true, maySign: false }],
    ['keyUsage=digitalSignature,cRLSign', { isAuthority: false, mayCertify: true, maySign: true }],
    [
      'keyUsage=critical,encipherOnly,keyAgreement',
      { isAuthority: false, mayCertify: false, maySign: false },
    ],
    ['keyUsage=keyAgreement,decipherOnly', { isAuthority: false, mayCertify: false, maySign: false }],
  ])('reads %s', (extension, rights) => {
    const { cert } = authority.issue({ names: ['URI:spiffe://test/a'], extensions: [extension] })
    expect(readCertificateExtensions(rawOf(cert))).toEqual({
      uris: ['spiffe://test/a'],
      dnsNames: [],
      emails: [],
      addresses: [],
      ...rights,
    })
    const isWorkload = !rights.isAuthority && !rights.mayCertify
    expect(readSpiffeId(rawOf(cert)).ok).toBe(isWorkload)
  })

  it('refuses what is no certificate', () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('hello'),
      good.subarray(0, 100),
      Buffer.concat([good, good]),
    ]) {
      expect(readSpiffeId(bytes)).toEqual({ ok: false, error: 'that cannot be read' })
    }
  })

  it('refuses a certificate that has an extension twice', () => {
    const uri = Buffer.from('spiffe://test/b', 'latin1')
    const names = Buffer.from([0x30, uri.length + 2, 0x86, uri.length, ...uri]).toString('hex')
    const extensions = [`issuerAltName=DER:${names}`]
    const twice = Buffer.from(rawOf(authority.issue({ names: ['URI:spiffe://test/a'], extensions }).cert))
    expect(readSpiffeId(twice)).toEqual({ ok: true, value: 'spiffe://test/a' })
    // The alternative names of the issuer become a second list of the subject's.
    const at = twice.indexOf(Buffer.from('0603551d12', 'hex'))
    expect(at).toBeGreaterThan(0)
    twice[at + 4] = 0x11
    expect(readSpiffeId(twice)).toEqual({ ok: false, error: 'that cannot be read' })
  })

  it('answers with an ID or a reason, whatever becomes of the bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(good.length),
        (changes, length) => {
          const bytes = Buffer.from(good)
          for (const [at, byte] of changes) bytes[at] = byte
          for (const one of [bytes, bytes.subarray(0, length)]) {
            const read = readSpiffeId(one)
            expect(read.ok ? isSpiffeId(read.value) : read.error !== '').toBe(true)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})
