import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Denial } from '../support/attacked-hop.ts'
import { startCanary } from '../support/canary.ts'
import { goodSidecar, sidecarProblems } from '../support/config-text.ts'
import { sendRaw } from '../support/raw-client.ts'
import {
  bytesOf,
  malformedRequest,
  methodNotAllowed,
  methodNotSupported,
  type RawHop,
  rawRoutes,
  routeNotFound,
  startRawHop,
  tokenMissing,
} from '../support/raw-hop.ts'

/**
 * The host decides which routes there are, and the method which of them takes the request. So the attacker names two
 * hosts, or one that looks like an inner one, or one that writes into the fields that the sidecar sets; or a method
 * that the sidecar reads in one way and the service in another, opens a tunnel, or echoes credentials.
 */

let hop: RawHop
beforeAll(async () => {
  hop = await startRawHop({
    routes: `${rawRoutes}
  - { path: '/internal/**', host: api.internal, public: true }
  - { path: '/numbers/**', host: 192.0.2.1, public: true }
  - { path: '/read/**', methods: [GET], audience: orders-api, scope: orders:read }
  - { path: '/write/**', methods: [POST], audience: orders-api, scope: orders:read }`,
  })
})
afterAll(() => hop.close())

const bearer = (): string => `Authorization: Bearer ${hop.token}`
/** With the field lines as they are, `Host` not added. */
const bare = (start: string, ...fields: readonly string[]): string =>
  `${start} HTTP/1.1\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`

describe('D13 and A11: a Host that is not one host', () => {
  it.each<[string, readonly string[]]>([
    ['none', []],
    ['an empty one', ['Host:']],
    ['white space', ['Host: \t ']],
    ['two', ['Host: orders.test', 'Host: api.internal']],
    ['the same one twice', ['Host: orders.test', 'Host: orders.test']],
    ['two in different case', ['Host: orders.test', 'HOST: api.internal']],
    ['a list', ['Host: orders.test, api.internal']],
    ['two by a space', ['Host: orders.test api.internal']],
    ['user information', ['Host: api.internal@orders.test']],
    ['user information with a password', ['Host: a:b@orders.test']],
    ['a path', ['Host: orders.test/../api.internal']],
    ['a query', ['Host: orders.test?x']],
    ['a fragment', ['Host: orders.test#api.internal']],
    ['a scheme', ['Host: http://orders.test']],
    ['a backslash', ['Host: orders.test\\api.internal']],
    ['port 0', ['Host: orders.test:0']],
    ['a port past the last', ['Host: orders.test:65536']],
    ['no port behind the colon', ['Host: orders.test:']],
    ['a port that is no number', ['Host: orders.test:80a']],
    ['two ports', ['Host: orders.test:80:81']],
    ['a sign before the port', ['Host: orders.test:+80']],
    ['no host before the port', ['Host: :80']],
    ['an empty label', ['Host: orders..test']],
    ['two final dots', ['Host: orders.test..']],
    ['a leading dot', ['Host: .orders.test']],
    ['an underscore', ['Host: orders_test']],
    ['an escape', ['Host: orders%2etest']],
    ['a wildcard', ['Host: *']],
    ['an IPv6 address with a zone', ['Host: [fe80::1%25eth0]']],
    ['an IPv6 address that does not end', ['Host: [::1']],
    ['an IPv6 address without brackets', ['Host: ::1']],
    ['a name of 300 letters', [`Host: ${'a'.repeat(300)}`]],
    ['another script', ['Host: orders.t\xd0\xb5st']],
    ['a no-break space', ['Host: orders.test\xa0']],
  ])('D13 refuses %s', async (_, fields) => {
    for (const path of ['/public/x', '/orders/x', '/internal/x']) {
      await hop.expectRefused(Buffer.from(bare(`GET ${path}`, ...fields), 'latin1'), malformedRequest)
    }
  })

  it.each([
    'a;for=127.0.0.1;proto=https',
    'evil@a',
    'a/../b',
    '"a"',
    'a", for="127.0.0.1',
    'a,for=127.0.0.1',
  ])('A11 lets Host: %s write nothing into Forwarded', async host => {
    await hop.expectRefused(bytesOf('GET /public/x', `Host: ${host}`), malformedRequest)
  })

  it.each([
    ['orders.test', 'orders.test'],
    ['orders.test:8080', '"orders.test:8080"'],
    ['[::1]', '"[::1]"'],
    ['[2001:db8::1]:81', '"[2001:db8::1]:81"'],
    ['192.0.2.7', '192.0.2.7'],
    ['ORDERS.test.', 'ORDERS.test.'],
  ])('A11 writes Host: %s into Forwarded as %s, quoted where it must be', async (host, quoted) => {
    const { request } = await hop.expectAdmitted(bytesOf('GET /public/x', `Host: ${host}`))
    expect(request.headerAll('forwarded')).toEqual([`for=127.0.0.1;host=${quoted};proto=http`])
    expect([request.headerAll('x-forwarded-host'), request.headerAll('host')]).toEqual([[host], [host]])
  })

  it('D13 refuses a request of HTTP/1.0 without Host, too', async () => {
    const bytes = (fields: string): string => `GET /public/x HTTP/1.0\r\n${fields}\r\n`
    await hop.expectRefused(bytes(''), malformedRequest)
    await hop.expectAdmitted(bytes('Host: orders.test\r\n'))
  })
})

describe('D13 and B11: a host that is not the one of the route', () => {
  it.each([
    ...['orders.test', 'localhost', '127.0.0.1', '[::1]', '169.254.169.254', 'internal', 'api'],
    ...['xapi.internal', 'api.internal.evil.example', 'x.api.internal', 'api-internal', 'apiinternal'],
    ...['api.internal-x', 'evil.example:81', 'api.internal.evil.example:80'],
  ])('B11 D13 finds no route of api.internal for Host: %s', async host => {
    await hop.expectRefused(bytesOf('GET /internal/x', `Host: ${host}`), routeNotFound)
  })

  it.each([
    '192.0.2.01',
    '192.0.2.1.evil.example',
    '3221225985',
    '0xc0000201',
    '192.0.513',
    '[::ffff:192.0.2.1]',
  ])('B11 takes %s for another host than 192.0.2.1', async host => {
    await hop.expectRefused(bytesOf('GET /numbers/x', `Host: ${host}`), routeNotFound)
  })

  it.each([
    'api.internal',
    'API.INTERNAL',
    'api.internal.',
    'API.INTERNAL.',
    'api.internal:81',
    'Api.Internal.:443',
  ])('B11 takes %s for api.internal, and forwards it as it came', async host => {
    const { request, route } = await hop.expectAdmitted(bytesOf('GET /internal/x', `Host: ${host}`))
    expect([request.headerAll('host'), route]).toEqual([[host], 'api.internal/internal/**'])
  })

  it('D13 has no other source for the host: not X-Forwarded-Host, Forwarded, X-Host or X-HTTP-Host-Override', async () => {
    const names = [
      'X-Forwarded-Host',
      'X-Host',
      'X-Forwarded-Server',
      'X-HTTP-Host-Override',
      'X-Original-Host',
    ]
    const fields = [...names.map(name => `${name}: api.internal`), 'Forwarded: host=api.internal']
    await hop.expectRefused(bytesOf('GET /internal/x', ...fields), routeNotFound)
    await hop.expectAdmitted(
      bytesOf('GET /internal/x', 'Host: api.internal', 'X-Forwarded-Host: orders.test'),
    )
  })
})

describe('D14, B14 and B15: methods', () => {
  it.each([
    ...[
      'get',
      'Get',
      'gET',
      'GETX',
      'GE',
      'XGET',
      'PRI',
      'trace',
      'connect',
      'HACK',
      'GET,POST',
      'G@T',
      'GET/',
    ],
    ...['M\xc3\x89THOD', '"GET"', 'GET\t'],
  ])('D14 refuses the method %j', async method => {
    for (const path of ['/public/x', '/orders/x']) {
      const bytes = Buffer.from(bytesOf(`${method} ${path}`, bearer()), 'latin1')
      await hop.expectRefused(bytes, malformedRequest)
    }
  })

  it('D14 refuses the preface of HTTP/2 on a port that does not speak it', async () => {
    const older = await startRawHop({ listen: '{ address: 127.0.0.1:0, http2: false }' })
    try {
      await older.expectRefused('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', malformedRequest)
    } finally {
      await older.close()
    }
  })

  it.each(['/public/x', '/orders/x', '/', '*'])(
    'D14 B15 never forwards TRACE %s, and echoes nothing',
    async path => {
      for (const fields of [[bearer()], [bearer(), 'Max-Forwards: 0'], [bearer(), 'Max-Forwards: 3']]) {
        const { answer } = await hop.expectRefused(
          bytesOf(`TRACE ${path}`, ...fields, 'Cookie: session=canary-4711'),
          methodNotSupported,
        )
        expect(answer.raw.toString('latin1')).not.toContain('canary')
      }
    },
  )

  it('B14 D14 opens no tunnel for CONNECT, and reads nothing of what follows it', async () => {
    const canary = await startCanary('found')
    for (const authority of [
      '169.254.169.254:80',
      'orders.test:443',
      `127.0.0.1:${canary.port}`,
      '[::1]:80',
    ]) {
      await hop.expectRefused(bytesOf(`CONNECT ${authority}`, bearer()), methodNotSupported)
      const behind = bytesOf('GET /public/smuggled')
      await hop.expectRefused(`${bytesOf(`CONNECT ${authority}`, bearer())}${behind}`, methodNotSupported)
    }
    const answer = await sendRaw(hop.port, bytesOf(`CONNECT 127.0.0.1:${canary.port}`), { responses: 1 })
    expect(answer.responses[0]?.header('connection')).toBe('close')
    expect(canary.connections()).toBe(0)
    await canary.close()
  })

  it('D14 writes no user information of CONNECT down', async () => {
    const secret = 'user-information-canary-4711'
    const bytes = bytesOf(`CONNECT alice:${secret}@orders.test:443`)
    const answer = await sendRaw(hop.port, bytes, { responses: 1 })
    expect([400, 501]).toContain(answer.responses[0]?.status)
    expect(hop.lines.at(-1)).not.toContain(secret)
  })

  it.each(['PROPFIND', 'MKCOL', 'LOCK', 'PURGE', 'M-SEARCH', 'LINK', 'SOURCE', 'REBIND'])(
    'D14 takes %s on no route that does not name it',
    async method => {
      const { answer } = await hop.expectRefused(bytesOf(`${method} /public/x`, bearer()), methodNotAllowed)
      expect(answer.header('allow')).toBe('DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY')
    },
  )

  it.each<[string, Denial]>([
    ['GET /write/x', methodNotAllowed],
    ['POST /read/x', methodNotAllowed],
    ['DELETE /write/x', methodNotAllowed],
  ])('B15 goes by the real method: %s', async (start, denial) => {
    const overrides = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Forwarded-Method']
    for (const method of ['GET', 'POST']) {
      const fields = overrides.map(name => `${name}: ${method}`)
      await hop.expectRefused(bytesOf(start, bearer(), ...fields), denial)
    }
  })

  it.each(['GET /read/x', 'POST /write/x', 'PUT /public/x', 'DELETE /orders/x', 'QUERY /orders/x'])(
    'D14 B15 forwards %s as it is',
    async start => {
      const { request } = await hop.expectAdmitted(
        bytesOf(start, bearer(), 'Content-Length: 0', 'X-HTTP-Method: PATCH'),
      )
      expect([`${request.method} ${request.target}`, request.headerAll('x-http-method')]).toEqual([start, []])
    },
  )

  it.each(['TRACE', 'CONNECT', 'get', 'PRI'])('D14 lets no route name %s', method => {
    const routes = (name: string): string =>
      `${goodSidecar}  - { path: /x, public: true, methods: [${name}] }\n`
    expect(sidecarProblems(routes(method)).join()).toMatch(/methods/)
    expect(sidecarProblems(routes('PROPFIND'))).toEqual([])
  })

  it('D14 asks OPTIONS for a token where it asks the others', async () => {
    await hop.expectRefused(bytesOf('OPTIONS /orders/x'), tokenMissing)
    await hop.expectAdmitted(bytesOf('OPTIONS /orders/x', bearer()))
  })
})
