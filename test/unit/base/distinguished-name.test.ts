import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDistinguishedName, readSubjectName } from '../../../src/base/distinguished-name.ts'
import { canMakeCertificates, createAuthority, withCertificates } from '../../support/certificate.ts'

function parse(text: string): string {
  const parsed = parseDistinguishedName(text)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

describe('a distinguished name', () => {
  it('is the same however its attributes are written', () => {
    expect(parse('cn=orders, 2.5.4.10=Example,C=SE')).toBe(parse('CN=orders,O=Example,C=SE'))
    expect(parse('OU=a+CN=b')).toBe(parse('CN=b+OU=a'))
    expect(parse('CN=a\\,b')).toBe(parse('CN=a\\2Cb'))
    expect(parse('CN=Lu\\C4\\8Di\\C4\\87')).toBe(parse('CN=Lučić'))
  })

  it('is another in another order, with other values, in another case, and when parts move over', () => {
    const names = [
      'CN=orders,O=Example',
      'O=Example,CN=orders',
      'CN=Orders,O=Example',
      'CN=orders+O=Example',
      'CN=orders',
      'CN=orders\\,O=Example',
      'CN=orders,O=Example,O=Example',
      'CN=orders,OU=Example',
    ].map(parse)
    expect(new Set(names).size).toBe(names.length)
  })

  it.each([
    '',
    'orders',
    'CN=',
    'CN=a,',
    ',CN=a',
    '+CN=a',
    'CN=a,,O=b',
    'CN=a;O=b',
    'CN=a,O',
    'CN= a',
    'CN=a ',
    'CN=#0403',
    'CN="a"',
    'CN=a\\',
    'CN=a\\zb',
    'CN=\\ff',
    'CN=a\0',
    'CN=a<b',
    'FOO=a',
    '2.5.4=a=b,',
  ])('is not %j', text => {
    expect(parseDistinguishedName(text).ok).toBe(false)
  })
})

describe.skipIf(!canMakeCertificates)(`the subject of a certificate${withCertificates}`, () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hopgate-dn-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** Written by openssl: the least particular first. */
  function subjectOf(subject: string, ...more: readonly string[]): string {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-utf8',
    ]
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert, '-subj', subject, ...more], {
      stdio: 'pipe',
    })
    return readSubjectName(new X509Certificate(readFileSync(cert)).raw)
  }

  it.each([
    ['/C=SE/O=Example/OU=Shop/CN=orders', 'CN=orders,OU=Shop,O=Example,C=SE'],
    ['/DC=org/DC=example/UID=orders', 'UID=orders,DC=example,DC=org'],
    ['/CN=Lučić/emailAddress=a@example.org', 'EMAILADDRESS=a@example.org,CN=Lučić'],
    ['/O=A\\+B, C=D/CN="x";y', 'CN=\\"x\\"\\;y,O=A\\+B\\, C\\=D'],
    ['/CN=a/serialNumber=12', 'serialNumber=12,CN=a'],
  ])('%s is %s', (subject, text) => {
    expect(subjectOf(subject)).toBe(parse(text))
  })

  it('is a set where attributes belong together', () => {
    expect(subjectOf('/O=Example/OU=a+CN=b', '-multivalue-rdn')).toBe(parse('CN=b+OU=a,O=Example'))
  })

  it('is read of certificates that an authority made', () => {
    const { cert } = createAuthority().issue({ commonName: 'orders' })
    expect(readSubjectName(new X509Certificate(cert).raw)).toBe(parse('CN=orders'))
  })

  it('is not there in other bytes', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('3000', 'hex'), Buffer.from('30023000', 'hex')]) {
      expect(() => readSubjectName(bytes)).toThrow(RangeError)
    }
  })
})
