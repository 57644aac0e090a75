import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readTlsFiles, type TlsFiles } from '../../../src/base/tls-files.ts'
import {
  canMakeCertificates,
  createAuthority,
  expired,
  newKey,
  withCertificates,
} from '../../support/certificate.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

const nowSeconds = (): number => Date.now() / 1000

/** Writes the texts to files; a text that is absent is a file that is not named, `null` one that does not exist. */
function filesOf(texts: { [part in keyof TlsFiles]: string | null }): TlsFiles {
  const folder = createTempFolder()
  return Object.fromEntries(
    Object.entries(texts).map(([part, text]) => {
      const file = join(folder, `${part}.pem`)
      if (text !== null) writeFileSync(file, text)
      return [part, file]
    }),
  )
}

describe.skipIf(!canMakeCertificates)(`readTlsFiles${withCertificates}`, () => {
  const authority = createAuthority()
  const good = authority.issue({ names: ['DNS:a.test'] })
  const old = authority.issue(expired)

  const faultsOf = (texts: Parameters<typeof filesOf>[0], now = nowSeconds()) => {
    const read = readTlsFiles(filesOf(texts), now)
    return read.ok ? [] : read.error.map(({ part, wrong }) => `${part} ${wrong}`)
  }

  it('reads nothing where nothing is named', () => {
    expect(readTlsFiles({}, nowSeconds())).toEqual({
      ok: true,
      value: { cert: undefined, key: undefined, ca: undefined, expiresAt: undefined },
    })
  })

  it('reads a chain, its key and authorities, and only those', () => {
    const below = authority.issueAuthority('below')
    const { cert, key } = below.issue()
    const text = `-----BEGIN X-----\n-----END X-----\nleaf\n${cert}and so on\n${below.cert}`
    const read = readTlsFiles(filesOf({ cert: text, key: `${cert}${key}`, ca: authority.cert }), nowSeconds())
    expect(read).toMatchObject({ ok: true, value: { cert: `${cert}${below.cert}`, key, ca: authority.cert } })
    expect(read.ok && read.value.expiresAt).toBeGreaterThan(nowSeconds() + 86_400)
  })

  it.each(['rsa', 'ed25519', 'pkcs1', 'sec1'])('takes a key of the kind %s', kind => {
    const { privateKey } =
      kind === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : kind === 'sec1'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('rsa', { modulusLength: 2048 })
    const type = kind === 'pkcs1' || kind === 'sec1' ? kind : 'pkcs8'
    const key = privateKey.export({ type, format: 'pem' }).toString()
    const { cert } = authority.issue({ key })
    expect(faultsOf({ cert, key })).toEqual([])
  })

  it.each<[string, Parameters<typeof filesOf>[0], readonly string[]]>([
    [
      'missing',
      { cert: null, key: null, ca: null },
      ['cert does not exist', 'key does not exist', 'ca does not exist'],
    ],
    ['empty', { cert: '', key: '\n', ca: '' }, ['cert is empty', 'key is empty', 'ca is empty']],
    [
      'no PEM',
      { cert: 'hello', key: 'hello', ca: 'hello' },
      ['cert holds no PEM certificate', 'key holds no PEM private key', 'ca holds no PEM certificate'],
    ],
    [
      'swapped',
      { cert: good.key, key: good.cert },
      ['cert holds no PEM certificate', 'key holds no PEM private key'],
    ],
    [
      'cut',
      {
        cert: good.cert.slice(0, -20),
        key: good.key.slice(0, -20),
        ca: `${authority.cert}${good.cert.slice(0, 300)}`,
      },
      ['cert', 'key', 'ca'].map(part => `${part} holds a PEM block that is cut or broken`),
    ],
    [
      'scrambled',
      {
        cert: good.cert.replace(/\n..../, '\nAAAA'),
        key: good.key.replace(/\n..../, '\nAAAA'),
        ca: authority.cert + authority.cert.replace(/\n..../, '\nAAAA'),
      },
      [
        'cert holds a certificate that cannot be read',
        'key holds a private key that cannot be read',
        'ca holds a certificate that cannot be read',
      ],
    ],
    [
      "another certificate's",
      { cert: good.cert, key: newKey() },
      ['key holds a key that does not fit the first certificate of cert'],
    ],
    [
      'in the wrong order',
      { cert: authority.cert + good.cert, key: good.key },
      ['key holds a key that does not fit the first certificate of cert'],
    ],
    ['two keys', { cert: good.cert, key: good.key + newKey() }, ['key holds several private keys']],
    [
      'expired',
      { cert: old.cert, key: old.key },
      ['cert holds a certificate that expired at 2020-02-01T00:00:00.000Z'],
    ],
    ['expired authorities', { ca: old.cert }, ['ca holds only certificates that have expired']],
  ])('refuses files that are %s', (_what, texts, faults) => {
    expect(faultsOf(texts)).toEqual(faults)
  })

  it('keeps authorities of which one has expired', () => {
    expect(faultsOf({ ca: old.cert + authority.cert })).toEqual([])
  })

  it('refuses a certificate before its time, but not for a clock that is minutes behind', () => {
    const { cert, key } = authority.issue({ from: '20400101000000Z', until: '20400201000000Z' })
    expect(faultsOf({ cert, key })).toEqual([
      'cert holds a certificate that is not valid before 2040-01-01T00:00:00.000Z',
    ])
    const start = Date.parse('2040-01-01T00:00:00Z') / 1000
    expect(faultsOf({ cert, key }, start - 301)).toHaveLength(1)
    expect(faultsOf({ cert, key }, start - 299)).toEqual([])
  })

  it.each(['pkcs8', 'sec1'] as const)('refuses an encrypted key in the form of %s', type => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const lock = { cipher: 'aes-256-cbc', passphrase: 'x' }
    const key = privateKey.export({ type, format: 'pem', ...lock }).toString()
    expect(key).toContain('ENCRYPTED')
    expect(faultsOf({ cert: good.cert, key })).toEqual(['key holds a private key that is encrypted'])
  })

  it('refuses a key that is too short for TLS', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const { cert } = authority.issue({ key })
    expect(faultsOf({ cert, key })).toEqual(['cert TLS does not take (ERR_SSL_EE_KEY_TOO_SMALL)'])
  })

  it('refuses a folder in the place of a file, and what is not text', () => {
    const folder = createTempFolder()
    mkdirSync(join(folder, 'cert.pem'))
    writeFileSync(join(folder, 'ca.pem'), Buffer.from([0x30, 0x82, 0xff, 0xfe]))
    expect(
      readTlsFiles({ cert: join(folder, 'cert.pem'), ca: join(folder, 'ca.pem') }, nowSeconds()),
    ).toEqual({
      ok: false,
      error: [
        { part: 'cert', wrong: 'is not a regular file' },
        { part: 'ca', wrong: 'is not UTF-8 text' },
      ],
    })
  })

  it('says nothing of what is in a key', () => {
    const secret = good.key.split('\n')[1] ?? ''
    const texts = [good.key, good.key.slice(0, -20), good.key.replace(/\n..../, '\nAAAA'), secret]
    for (const text of texts) {
      const faults = faultsOf({ cert: text, key: `${text}x`, ca: text }).join()
      for (let at = 0; at + 8 <= secret.length; at += 8)
        expect(faults).not.toContain(secret.slice(at, at + 8))
    }
  })
})
