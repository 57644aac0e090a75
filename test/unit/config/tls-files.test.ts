import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  canMakeCertificates,
  createAuthority,
  expired,
  newKey,
  withCertificates,
} from '../../support/certificate.ts'
import { goodSidecar, readSidecar, sidecarProblems } from '../../support/config-text.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

describe.skipIf(!canMakeCertificates)(`files for TLS${withCertificates}`, () => {
  const authority = createAuthority()
  const good = authority.issue({ names: ['DNS:a.test'] })
  const old = authority.issue(expired)

  /** A folder with good files and bad ones. */
  function newFolder(): string {
    const folder = createTempFolder()
    const texts = { 'cert.pem': good.cert, 'key.pem': good.key, 'ca.pem': authority.cert }
    const bad = {
      'empty.pem': '',
      'text.pem': 'x',
      'old.pem': old.cert,
      'old-key.pem': old.key,
      'other.pem': newKey(),
    }
    for (const [name, text] of Object.entries({ ...texts, ...bad })) writeFileSync(join(folder, name), text)
    mkdirSync(join(folder, 'folder.pem'))
    return folder
  }
  const problemsIn = (text: string): readonly string[] => {
    const file = join(newFolder(), 'c.yaml')
    return sidecarProblems(text, {}, file).map(line => line.replace(`${file}:`, ''))
  }
  const withListen = (tls: string) => `${goodSidecar}listen:\n  address: 0.0.0.0:8443\n  tls: ${tls}\n`
  const withUpstream = (tls: string) =>
    goodSidecar.replace(/^upstream: .*$/m, `upstream: { url: https://a.test, tls: ${tls} }`)

  it('are found beside the configuration', () => {
    const folder = newFolder()
    const at = (name: string) => join(folder, name)
    const read = (text: string) => readSidecar(text, {}, at('c.yaml'))
    expect(read(withListen('{ cert: cert.pem, key: key.pem }')).listen).toEqual({
      host: '0.0.0.0',
      port: 8443,
      http2: true,
      tls: {
        cert: at('cert.pem'),
        key: at('key.pem'),
        clientCa: undefined,
        clientCertificate: 'none',
        spiffeIds: [],
        minVersion: 'TLSv1.2',
      },
    })
    const mutual = '{ cert: cert.pem, key: key.pem, client_ca: ca.pem, min_version: TLSv1.3 }'
    expect(read(withListen(mutual)).listen.tls).toMatchObject({
      clientCa: at('ca.pem'),
      clientCertificate: 'required',
      minVersion: 'TLSv1.3',
    })
    const optional = '{ cert: cert.pem, key: key.pem, client_ca: ca.pem, client_certificate: optional }'
    expect(read(withListen(optional)).listen.tls?.clientCertificate).toBe('optional')
    const pinned = '{ cert: cert.pem, key: key.pem, client_ca: ca.pem, spiffe_ids: [spiffe://a/b] }'
    expect(read(withListen(pinned)).listen.tls?.spiffeIds).toEqual(['spiffe://a/b'])
    const upstream = '{ ca: ca.pem, cert: cert.pem, key: key.pem, spiffe_ids: [spiffe://a/b] }'
    expect(read(withUpstream(upstream)).upstream.tls).toEqual({
      ca: at('ca.pem'),
      cert: at('cert.pem'),
      key: at('key.pem'),
      serverName: undefined,
      spiffeIds: ['spiffe://a/b'],
    })
  })

  const pem = {
    cert: 'expected a PEM certificate that is valid now',
    key: 'expected the PEM private key of the certificate',
    ca: 'expected PEM certificates of authorities',
  }

  it.each([
    ['{ cert: no.pem, key: key.pem }', '16: listen.tls.cert: found a file that does not exist', pem.cert],
    ['{ cert: empty.pem, key: key.pem }', '16: listen.tls.cert: found a file that is empty', pem.cert],
    [
      '{ cert: folder.pem, key: key.pem }',
      '16: listen.tls.cert: found a file that is not a regular file',
      pem.cert,
    ],
    [
      '{ cert: cert.pem, key: text.pem }',
      '31: listen.tls.key: found a file that holds no PEM private key',
      pem.key,
    ],
    [
      '{ cert: cert.pem, key: other.pem }',
      '31: listen.tls.key: found a file that holds a key that does not fit the first certificate of cert',
      pem.key,
    ],
    [
      '{ cert: old.pem, key: old-key.pem }',
      '16: listen.tls.cert: found a file that holds a certificate that expired at 2020-02-01T00:00:00.000Z',
      pem.cert,
    ],
    [
      '{ cert: cert.pem, key: key.pem, client_ca: no.pem }',
      '51: listen.tls.client_ca: found a file that does not exist',
      pem.ca,
    ],
    [
      '{ cert: cert.pem, key: key.pem, client_ca: empty.pem, client_certificate: optional }',
      '51: listen.tls.client_ca: found a file that is empty',
      pem.ca,
    ],
    [
      '{ cert: cert.pem, key: key.pem, client_ca: text.pem }',
      '51: listen.tls.client_ca: found a file that holds no PEM certificate',
      pem.ca,
    ],
  ])('G02 are refused for listen: %s', (tls, problem, expected) => {
    expect(problemsIn(withListen(tls))).toEqual([`10:${problem}; ${expected}`])
  })

  it.each([
    ['{ ca: no.pem }', '45: upstream.tls.ca: found a file that does not exist', pem.ca],
    ['{ ca: empty.pem }', '45: upstream.tls.ca: found a file that is empty', pem.ca],
    [
      '{ ca: old.pem }',
      '45: upstream.tls.ca: found a file that holds only certificates that have expired',
      pem.ca,
    ],
    ['{ cert: cert.pem, key: no.pem }', '62: upstream.tls.key: found a file that does not exist', pem.key],
  ])('G02 are refused for upstream: %s', (tls, problem, expected) => {
    expect(problemsIn(withUpstream(tls))).toEqual([`2:${problem}; ${expected}`])
  })
})
