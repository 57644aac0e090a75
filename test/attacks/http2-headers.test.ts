import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scopeMissing } from '../support/attacked-hop.ts'
import { encodeFields, type Field } from '../support/hpack.ts'
import { type Http2Hop, startHttp2Hop } from '../support/http2-hop.ts'
import {
  dataFrame,
  errorCode,
  flag,
  frame,
  frameType,
  headersFrame,
  requestFields,
} from '../support/http2-raw-client.ts'
import { malformedRequest, methodNotSupported, tokenAmbiguous, tokenMissing } from '../support/raw-hop.ts'
import { until } from '../support/until.ts'

/**
 * The sidecar reads HTTP/2, in which a name or a value is so many bytes whatever they are, and writes HTTP/1.1, in which
 * some of them end a line. A caller tries to hide a second request, or a field, in a place that only the upstream reads;
 * to make two readers see two hosts or two paths; and to use fields that make sense for the other protocol only.
 */

let hop: Http2Hop
beforeAll(async () => {
  hop = await startHttp2Hop()
})
afterAll(() => hop.close())

const smuggled = 'GET /admin/1 HTTP/1.1\r\nHost: orders.test\r\n\r\n'

/** A request with the token, in which one pseudo-header field says something else. */
function withPseudo(name: string, value: string): Field[] {
  return hop.withToken().map(field => (field[0] === name ? [name, value] : field))
}

function without(name: string): Field[] {
  return hop.withToken().filter(field => field[0] !== name)
}

/** A request with a field between its pseudo-header fields. */
function between(field: Field): Field[] {
  const [method, scheme, ...rest] = hop.withToken()
  return [method, scheme, field, ...rest].filter(one => one !== undefined)
}

describe('what a pseudo-header field holds', () => {
  it.each([
    ['a request line', `/orders/1 HTTP/1.1\r\nX: 1`],
    ['a request', `/orders/1 HTTP/1.1\r\nHost: orders.test\r\n\r\n${smuggled}`],
    ['a line feed', '/orders/1\n'],
    ['a carriage return', '/orders/1\r'],
    ['NUL', '/orders/1\0'],
    ['a space', '/orders/1 HTTP/1.0'],
    ['a space in front', ' /orders/1'],
    ['a tab', '/orders/1\t'],
    ['DEL', '/orders/\x7f'],
    ['nothing', ''],
    ['an asterisk', '*'],
    ['another server', 'http://evil.test/orders/1'],
  ])('E09 a :path that holds %s is reset', async (_what, path) => {
    await hop.expectReset(withPseudo(':path', path))
  })

  it.each(['orders/1', 'orders.Orders/Get', 'public/../orders/1'])(
    'B12 a :path without its slash is reset: %s',
    async path => {
      await hop.expectReset(withPseudo(':path', path))
    },
  )

  it.each(['/orders#/public/1', '/public/1#', '/#/../orders/1', '/orders/1?a#b', '/orders/%23'])(
    'B07 D10 a fragment in :path is refused: %s',
    async path => {
      await hop.expectRefused(withPseudo(':path', path), malformedRequest)
    },
  )

  it.each([
    '/orders/../admin',
    '/orders//1',
    '/orders/%2e%2e/1',
    '/orders/1;a',
    '/orders/\xe4',
    '/orders\\1',
  ])('E09 a :path that readers could disagree on is refused: %s', async path => {
    await hop.expectRefused(withPseudo(':path', path), malformedRequest)
  })

  it.each([
    ['a space behind', 'GET '],
    ['a request line', 'GET /admin/1 HTTP/1.1\r\n'],
    ['NUL', 'G\0'],
    ['nothing', ''],
  ])('E09 D14 a :method that holds %s is reset', async (_what, method) => {
    await hop.expectReset(withPseudo(':method', method))
  })

  it.each(['get', 'Get', 'post', 'GETX', 'PRI', 'trace', 'connect'])(
    'D14 B15 the method %s, which HTTP/1.1 does not know, is refused',
    async method => {
      await hop.expectRefused(withPseudo(':method', method), malformedRequest)
    },
  )

  it('D14 B15 TRACE is never forwarded', async () => {
    await hop.expectRefused(withPseudo(':method', 'TRACE'), methodNotSupported)
  })

  it.each(['ftp', 'HTTP', 'javascript'])('E09 the :scheme %s is refused', async scheme => {
    await hop.expectRefused(withPseudo(':scheme', scheme), malformedRequest)
  })

  it.each([
    ['nothing', ''],
    ['a line end', 'http\r\nX: 1'],
    ['a prefix of a URL', 'http://evil.test/?'],
    ['a space', 'http '],
  ])('E09 a :scheme that holds %s is reset', async (_what, scheme) => {
    await hop.expectReset(withPseudo(':scheme', scheme))
  })

  it.each([
    ['a line end', 'orders.test\r\nX: 1'],
    ['a space', 'orders.test evil.test'],
    ['user information', 'me@orders.test'],
    ['nothing', ''],
    ['a list', 'orders.test, evil.test'],
    ['a path', 'orders.test/admin'],
    ['NUL', 'orders.test\0'],
    ['a fragment', 'orders.test#'],
  ])('E09 D13 an :authority that holds %s is reset', async (_what, authority) => {
    await hop.expectReset(withPseudo(':authority', authority))
  })

  it.each(['orders.test:0', 'orders.test:99999', 'orders..test', '-orders.test', '[::1'])(
    'D13 the :authority %s is refused',
    async authority => {
      await hop.expectRefused(withPseudo(':authority', authority), malformedRequest)
    },
  )

  it('E09 none of this is refused of what is in order', async () => {
    const request = await hop.expectForwarded(hop.withToken([['x-a', 'b\tc']], { path: '/orders/1?a=%2F' }))
    expect(request.target).toBe('/orders/1?a=%2F')
    expect(request.header('x-a')).toBe('b\tc')
    expect((await hop.expectForwarded(withPseudo(':scheme', 'https'))).target).toBe('/orders/1')
  })
})

describe('which pseudo-header fields there are', () => {
  it.each([':method', ':scheme', ':path'])('E09 a request without %s is reset', async name => {
    await hop.expectReset(without(name))
  })

  it.each<Field>([
    [':method', 'POST'],
    [':path', '/public/1'],
    [':authority', 'evil.test'],
    [':scheme', 'https'],
  ])('E09 a second %s is reset, at once and behind other fields', async (name, value) => {
    await hop.expectReset(between([name, value]))
    await hop.expectReset([...hop.withToken(), [name, value]])
  })

  it('E09 a late one is reset, though it is the only one', async () => {
    await hop.expectReset([...without(':path'), [':path', '/orders/1']])
    await hop.expectReset(between(['x-a', '1']))
  })

  it.each([':status', ':protocol', ':x', ':'])('E09 %s is reset', async name => {
    await hop.expectReset(between([name, '200']))
  })

  it('E09 an empty header section is reset', async () => {
    await hop.expectReset([])
  })
})

describe('the host', () => {
  it('D13 A13 of a host field that says something else than :authority is refused', async () => {
    for (const host of ['evil.test', 'orders.test:8080', 'orders.test.']) {
      await hop.expectRefused(hop.withToken([['host', host]]), malformedRequest)
    }
  })

  it('D13 A13 of two host fields is reset', async () => {
    await hop.expectReset(
      hop.withToken([
        ['host', 'orders.test'],
        ['host', 'orders.test'],
      ]),
    )
    await hop.expectReset(hop.withToken([['host', '']]))
  })

  it('D13 A13 of nobody is reset', async () => {
    await hop.expectReset(without(':authority'))
  })

  it('D13 A13 goes to the upstream once, wherever it was said', async () => {
    const same = await hop.expectForwarded(hop.withToken([['host', 'ORDERS.test']]))
    expect(same.headerAll('host')).toEqual(['orders.test'])
    const instead = await hop.expectForwarded([...without(':authority'), ['host', 'orders.test']])
    expect(instead.headerAll('host')).toEqual(['orders.test'])
  })
})

describe('CONNECT', () => {
  it('D14 B14 without :path is never forwarded', async () => {
    const { event } = await hop.expectRefused(
      [
        [':method', 'CONNECT'],
        [':authority', '169.254.169.254:80'],
      ],
      methodNotSupported,
    )
    expect(event).toMatchObject({ method: 'CONNECT', status: 501 })
  })

  it('D14 B14 with :path and :scheme, or without :authority, is reset', async () => {
    await hop.expectReset(withPseudo(':method', 'CONNECT'))
    await hop.expectReset([[':method', 'CONNECT']])
  })

  it.each(['websocket', 'connect-udp', ''])('B14 extended CONNECT for "%s" is reset', async protocol => {
    await hop.expectReset([[':protocol', protocol], ...withPseudo(':method', 'CONNECT')])
  })

  it('B14 is not offered', async () => {
    const client = await hop.connect()
    await until(() => client.frames.some(({ type }) => type === frameType.settings), 'SETTINGS')
    const settings = client.frames.find(({ type }) => type === frameType.settings)?.payload ?? Buffer.alloc(0)
    const offered = Array.from({ length: settings.length / 6 }, (_, index) => [
      settings.readUInt16BE(6 * index),
      settings.readUInt32BE(6 * index + 2),
    ])
    expect(Object.fromEntries(offered)[8] ?? 0).toBe(0)
    client.destroy()
  })
})

describe('fields about an HTTP/1.1 connection', () => {
  it.each<Field>([
    ['transfer-encoding', 'chunked'],
    ['transfer-encoding', 'identity'],
    ['connection', 'close'],
    ['connection', 'authorization'],
    ['keep-alive', 'timeout=5'],
    ['proxy-connection', 'keep-alive'],
    ['upgrade', 'websocket'],
    ['te', 'gzip'],
    ['te', 'trailers, gzip'],
  ])('E09 %s: %s is reset', async (name, value) => {
    await hop.expectReset(hop.withToken([[name, value]]))
  })

  it('E09 none of those that are allowed reaches the upstream', async () => {
    const fields: Field[] = [
      ['te', 'trailers'],
      ['http2-settings', 'AAMAAABk'],
    ]
    const request = await hop.expectForwarded(hop.withToken(fields))
    expect(request.headerAll('te')).toEqual([])
    expect(request.headerAll('http2-settings')).toEqual([])
  })
})

describe('names and values', () => {
  it.each(['X-A', 'Authorization', 'x-A'])('E09 a name in upper case is reset: %s', async name => {
    await hop.expectReset(hop.withToken([[name, 'smuggled']]))
  })

  it.each([' a', 'a ', '\ta', 'a\t'])('E09 blanks around a value are refused: %j', async value => {
    await hop.expectRefused(hop.withToken([['x-a', value]]), malformedRequest)
  })

  /** Node drops such a field and goes on: nobody may read it then, in any spelling. */
  const gadgetNames = [
    'x-a\r\nx-b',
    'x-a\n',
    'x-a\r',
    'x-a\0',
    'x-a\t',
    'x-a ',
    ' x-a',
    'x a',
    'x-a:x-b',
    'x-a: b\r\nx-c',
    'x\x7fa',
    'x\xe4',
    '{x}',
    'x(',
    '"x"',
    'x/a',
    '',
    `x-a: b\r\n\r\n${smuggled}x`,
    'transfer-encoding ',
    'transfer-encoding\0',
    'content-length\r',
    'authorization\n',
    'x-hopgate-user\0',
  ]
  it.each(gadgetNames)('pattern E09 E09 nothing of a field named %j reaches the upstream', async name => {
    const request = await hop.expectForwarded(hop.withToken([[name, 'smuggled']]))
    expect(request.raw.includes('smuggled')).toBe(false)
    expect(request.headerAll('transfer-encoding')).toEqual([])
    expect(request.headerAll('authorization')).toHaveLength(1)
  })

  const gadgetValues = [
    'smuggled\r\nx-b: smuggled',
    'smuggled\nx-b: smuggled',
    'smuggled\rx-b: smuggled',
    'smuggled\0',
    '\0smuggled',
    'smuggled\x01',
    'smuggled\x7f',
    'smuggled\x0b',
    `smuggled\r\n\r\n${smuggled}`,
    'smuggled\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ]
  it.each(gadgetValues)('pattern E09 E09 nothing of the value %j reaches the upstream', async value => {
    const request = await hop.expectForwarded(hop.withToken([['x-a', value]]))
    expect(request.raw.includes('smuggled')).toBe(false)
    expect(request.raw.includes('/admin')).toBe(false)
    expect(request.headerAll('x-a')).toEqual([])
  })

  it('pattern E09 a policy that needs a field which was dropped denies', async () => {
    const about = { path: '/tenants/1' }
    const denied = { code: 'policy.denied', status: 403 } as const
    for (const value of ['a\0', 'a\r\n', 'a\r\nx-b: c', 'a\x7f'])
      await hop.expectRefused(hop.withToken([['x-tenant', value]], about), denied)
    for (const name of ['x-tenant\0', 'x-tenant ', 'x-tenant:', 'x-tenant\r'])
      await hop.expectRefused(hop.withToken([[name, 'a']], about), denied)
    const request = await hop.expectForwarded(hop.withToken([['x-tenant', 'a']], about))
    expect(request.header('x-tenant')).toBe('a')
  })

  it.each(['\0', '\r\n', '\r\nx-b: c', '\n', '\x7f'])(
    'pattern E09 a token in a field that was dropped is no token: %j behind it',
    async end => {
      const fields = requestFields([['authorization', `Bearer ${hop.token}${end}`]], { path: '/orders/1' })
      await hop.expectRefused(fields, tokenMissing)
    },
  )

  it('C01 A10 two authorization fields are refused, in any order', async () => {
    const [good, bad] = [`Bearer ${hop.token}`, 'Bearer other']
    for (const values of [
      [good, good],
      [good, bad],
      [bad, good],
    ]) {
      const fields = values.map((value): Field => ['authorization', value])
      await hop.expectRefused(requestFields(fields, { path: '/orders/1' }), tokenAmbiguous)
    }
  })

  it('C01 A10 two tokens in one field, or one in the query, are refused', async () => {
    const both: Field[] = [['authorization', `Bearer ${hop.token}, Bearer ${hop.token}`]]
    const malformed = { ...tokenAmbiguous, code: 'token.malformed' } as const
    await hop.expectRefused(requestFields(both, { path: '/orders/1' }), malformed)
    await hop.expectRefused(withPseudo(':path', '/orders/1?access_token=a.b.c'), tokenAmbiguous)
  })

  it('C01 A10 one token for the wrong scope is told from them', async () => {
    const token = await hop.issuer.sign({ scope: 'other' })
    const fields = requestFields([['authorization', `Bearer ${token}`]], { path: '/orders/1' })
    await hop.expectRefused(fields, scopeMissing)
  })
})

describe('the length', () => {
  it.each(['5', '-1', '+0', '', '0x0', '0, 0', '1e0', '18446744073709551616'])(
    'E09 a content-length of %j for no body is reset',
    async length => {
      await hop.expectReset(hop.withToken([['content-length', length]]))
    },
  )

  it('E09 two of them are reset, though they are the same', async () => {
    await hop.expectReset(
      hop.withToken([
        ['content-length', '0'],
        ['content-length', '0'],
      ]),
    )
  })

  /** A body that does not fit its length: the head is good, so the request may be on its way. */
  it.each([
    ['less', ['abc'], 0],
    ['nothing', [''], 0],
    ['more', ['abcdefg'], 0],
    ['more, in pieces', ['abc', 'defg'], 0],
    ['the length and then a request', ['abcde', smuggled], 1],
  ] as const)('E09 of a body that is %s is kept to', async (_what, pieces, mostRequests) => {
    const from = hop.mark()
    const client = await hop.connect()
    const fields = hop.withToken([['content-length', '5']], { method: 'POST' })
    client.send(headersFrame(1, fields, 'more'))
    for (const [index, piece] of pieces.entries()) {
      await new Promise(resolve => setTimeout(resolve, 10))
      client.send(dataFrame(1, piece, index === pieces.length - 1 ? 'end' : 'more'))
    }
    const { status, reset } = await client.answer(1)
    // What is over the length is an error of the whole connection.
    if (mostRequests === 0)
      expect([status, client.isClosed || reset === errorCode.protocol]).toEqual([0, true])
    await hop.event(from.events)
    const seen = hop.upstream.requests.slice(from.requests)
    expect(seen.length).toBeLessThanOrEqual(mostRequests)
    expect(seen.map(({ body }) => body.toString())).toEqual(seen.map(() => 'abcde'))
    client.destroy()
    await hop.expectServed()
    expect(hop.upstream.requests).toHaveLength(from.requests + seen.length + 1)
    expect(hop.upstream.connections.some(({ raw }) => raw.includes('/admin/1'))).toBe(false)
    // One of the stream, one of the connection when that had to end, and the next caller's.
    const [first, ...others] = hop.eventsSince(from)
    expect(['client.closed', 'request.malformed', undefined]).toContain(first?.refusal)
    const codes = others.map(({ refusal }) => refusal)
    expect([[undefined], ['request.malformed', undefined]]).toContainEqual(codes)
  })

  it.each([
    ['with its length', true],
    ['without its length', false],
  ])('E09 a body that looks like the end of one is a body: %s', async (_what, isTold) => {
    const body = `0\r\n\r\n${smuggled}`
    const from = hop.mark()
    const client = await hop.connect()
    const length: Field[] = isTold ? [['content-length', String(body.length)]] : []
    client.send(headersFrame(1, hop.withToken(length, { method: 'POST' }), 'more'), dataFrame(1, body))
    expect((await client.answer(1)).status).toBe(200)
    await hop.event(from.events)
    expect(hop.upstream.requests).toHaveLength(from.requests + 1)
    expect(hop.upstream.requests[from.requests]?.body.toString()).toBe(body)
    client.destroy()
    await hop.expectServed()
    expect(hop.lines).toHaveLength(from.events + 2)
  })
})

describe('trailers', () => {
  const trailers = (fields: readonly Field[]): Buffer =>
    frame(frameType.headers, flag.endHeaders | flag.endStream, 1, encodeFields(fields))

  async function send(fields: readonly Field[]) {
    const from = hop.mark()
    const client = await hop.connect()
    const head = hop.withToken([['trailer', 'x-sum']], { method: 'POST' })
    client.send(headersFrame(1, head, 'more'), dataFrame(1, 'hello', 'more'), trailers(fields))
    const answer = await client.answer(1)
    await hop.event(from.events)
    client.destroy()
    await hop.expectServed()
    expect(hop.lines).toHaveLength(from.events + 2)
    return { answer, requests: hop.upstream.requests.slice(from.requests, -1) }
  }

  it.each<Field>([
    [':path', '/admin/1'],
    ['transfer-encoding', 'chunked'],
    ['connection', 'close'],
    ['X-Sum', '7'],
  ])('E09 with %s are reset, and the request is never whole', async (name, value) => {
    const { answer, requests } = await send([[name, value]])
    expect(answer).toMatchObject({ status: 0, reset: errorCode.protocol })
    expect(requests).toEqual([])
  })

  it.each<Field>([
    ['x-a', 'smuggled\r\nx-b: smuggled'],
    ['x-a\r\nx-b', 'smuggled'],
    ['authorization', 'Bearer smuggled'],
    ['content-length', '5'],
    ['host', 'smuggled'],
  ])('E09 do not carry %j: %j to the upstream', async (name, value) => {
    const { requests } = await send([
      ['x-sum', '7'],
      [name, value],
    ])
    for (const request of requests) {
      expect(request.raw.includes('smuggled')).toBe(false)
      expect(request.raw.toString()).toMatch(/\r\n0\r\nx-sum: 7\r\n\r\n$/)
    }
  })
})
