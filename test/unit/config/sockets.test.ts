import { describe, expect, it } from 'vitest'
import { goodSidecar, readSidecar, sidecarProblems } from '../../support/config-text.ts'

/** A good configuration with another `upstream` in line 2. */
function withUpstream(text: string): string {
  return goodSidecar.replace(/^upstream: .*$/m, `upstream: ${text}`)
}

describe('listen', () => {
  it.each([
    ['listen: "[::]:8443"', { host: '::', port: 8443, tls: undefined, http2: true }],
    ['listen: { address: 10.0.0.5:80 }', { host: '10.0.0.5', port: 80, tls: undefined, http2: true }],
    [
      'listen: { address: 0.0.0.0:80, http2: false }',
      { host: '0.0.0.0', port: 80, tls: undefined, http2: false },
    ],
  ])('reads %s', (text, listen) => {
    expect(readSidecar(`${goodSidecar}${text}\n`).listen).toEqual(listen)
  })

  it.each([
    [
      'listen: { tls: { cert: a, key: b } }',
      '8:9: listen.address: found nothing; expected host:port such as 0.0.0.0:8080 or [::]:8080',
    ],
    [
      'listen: { address: 8080 }',
      '8:20: listen.address: found a number; expected host:port such as 0.0.0.0:8080 or [::]:8080',
    ],
    [
      'listen: { address: 0.0.0.0:80, tsl: {} }',
      '8:32: listen.tsl: found an unknown key; expected one of address, tls, http2; did you mean "tls"?',
    ],
    ['listen: { address: 0.0.0.0:80, http2: yes }', '8:39: listen.http2: found text; expected true or false'],
    ['listen: { address: 0.0.0.0:80, tls: true }', '8:37: listen.tls: found true; expected a mapping'],
    [
      'listen: { address: 0.0.0.0:80, tls: { cert: a } }',
      '8:37: listen.tls.key: found nothing; expected the path of a file',
    ],
    [
      'listen: { address: 0.0.0.0:80, tls: { cert: a, key: b, min_version: TLSv1.1 } }',
      '8:69: listen.tls.min_version: found "TLSv1.1"; expected one of TLSv1.2, TLSv1.3; did you mean "TLSv1.2"?',
    ],
    [
      'listen: { address: 0.0.0.0:80, tls: { cert: a, key: b, client_certificate: optional } }',
      '8:56: listen.tls.client_certificate: found a key that means nothing without client_ca; expected client_ca beside it',
    ],
    [
      'listen: { address: 0.0.0.0:80, tls: { cert: a, key: b, spiffe_ids: [spiffe://a.test/b] } }',
      '8:56: listen.tls.spiffe_ids: found a key that means nothing without client_ca; expected client_ca beside it',
    ],
    [
      'listen: []',
      '8:9: listen: found an empty list; expected host:port such as 0.0.0.0:8080 or [::]:8080, or a mapping',
    ],
  ])('refuses %s', (text, problem) => {
    expect(sidecarProblems(`${goodSidecar}${text}\n`)).toEqual([`c.yaml:${problem}`])
  })
})

describe('upstream', () => {
  const name = { ca: undefined, cert: undefined, key: undefined, serverName: undefined, spiffeIds: [] }

  it.each([
    ['http://a.test', { protocol: 'http1', tls: undefined }],
    ['https://a.test', { protocol: 'http1', tls: name }],
    ['{ url: http://a.test, protocol: h2 }', { protocol: 'h2', tls: undefined }],
    ['{ url: https://a.test, protocol: http1 }', { protocol: 'http1', tls: name }],
    ['{ url: https://a.test, protocol: h2, tls: {} }', { protocol: 'h2', tls: name }],
    [
      '{ url: https://a.test, tls: { server_name: b.test } }',
      { protocol: 'http1', tls: { ...name, serverName: 'b.test' } },
    ],
  ])('reads %s', (text, { protocol, tls }) => {
    const { upstream } = readSidecar(withUpstream(text))
    expect(upstream.url.href).toMatch(/^https?:\/\/a\.test\/$/)
    expect({ protocol: upstream.protocol, tls: upstream.tls }).toEqual({ protocol, tls })
  })

  it.each([
    [
      '{ protocol: h2 }',
      '2:11: upstream.url: found nothing; expected an http: or https: URL without path, such as http://127.0.0.1:3000',
    ],
    [
      '{ url: http://a.test, protocol: h3 }',
      '2:43: upstream.protocol: found "h3"; expected one of http1, h2; did you mean "h2"?',
    ],
    [
      '{ url: http://a.test, tls: {} }',
      '2:33: upstream.tls: found a tls section beside an http: URL; expected an https: URL, or no tls',
    ],
    [
      '{ url: https://a.test, tls: { key: a } }',
      '2:41: upstream.tls.key: found a key without cert; expected both or none',
    ],
    [
      '{ url: https://a.test, tls: { cert: a } }',
      '2:41: upstream.tls.cert: found a certificate without key; expected both or none',
    ],
    [
      '{ url: https://a.test, tls: { spiffe_ids: [spiffe://a.test/b] } }',
      '2:41: upstream.tls.spiffe_ids: found a key that means nothing without ca; expected ca beside it',
    ],
    [
      '{ url: https://a.test, tls: { rejectUnauthorized: false } }',
      '2:41: upstream.tls.rejectUnauthorized: found an unknown key; expected one of ca, cert, key, server_name, spiffe_ids',
    ],
  ])('refuses %s', (text, problem) => {
    expect(sidecarProblems(withUpstream(text))).toEqual([`c.yaml:${problem}`])
  })

  it.each([
    '0127.0.0.1',
    '127.0.0.1',
    '"[::1]"',
    'B.test',
    'b.test.',
    '"*.b.test"',
    '"b.test:443"',
    '"b\\u3002test"',
    '"b\\0.test"',
  ])('G05 refuses the server name %s', name => {
    expect(sidecarProblems(withUpstream(`{ url: https://a.test, tls: { server_name: ${name} } }`))).toEqual([
      expect.stringMatching(
        /^c\.yaml:2:54: upstream\.tls\.server_name: found ".*"; expected a lower-case host name$/,
      ),
    ])
  })

  it('is not an own address in either form', () => {
    expect(sidecarProblems(withUpstream('{ url: http://127.0.0.1:8080 }'))).toEqual([
      'c.yaml:2:18: upstream.url: found an address that this sidecar itself listens on; expected another server',
    ])
  })
})
