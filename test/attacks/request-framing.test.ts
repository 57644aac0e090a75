import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RefusalCode } from '../../src/model/refusal.ts'
import { type FramedHop, startFramedHop, statuses, usual } from '../support/framed-hop.ts'
import { openRaw, type RawAnswer, readAnswer, sendRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { type RecordedRequest, response } from '../support/upstream.ts'

/**
 * Request smuggling: a message whose end two readers find in two places, so that the second one takes for a request of
 * its own what the first took for a body, and nobody has authenticated it. What is hidden here is always a request that
 * would be forwarded if anybody read it: with a good token, for a good path. The sidecar must find one end or none,
 * refuse in front of the upstream, and end the connection, because nothing behind a doubtful message can be trusted.
 */

let hop: FramedHop
beforeAll(async () => {
  hop = await startFramedHop({ more: 'timeouts: { headers: 1s, body_idle: 2s }' })
})
afterAll(() => hop.close())

const smuggled = (): string => hop.get('/orders/smuggled')
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`
const chunked = 'Transfer-Encoding: chunked'
const lastChunk = '0\r\n\r\n'

describe('E01 and E02: Content-Length and Transfer-Encoding', () => {
  it('E01 refuses both, with a body that ends early by its chunks', async () => {
    const body = `${lastChunk}${smuggled()}`
    for (const length of [body.length, 5, 0]) {
      await hop.expectRefused(hop.post([`Content-Length: ${length}`, chunked], body), 'request.malformed')
      await hop.expectRefused(hop.post([chunked, `content-length: ${length}`], body), 'request.malformed')
    }
  })

  it('E02 refuses both, with a body that ends early by its length', async () => {
    const body = `${chunk(smuggled())}${lastChunk}`
    for (const fields of [
      ['Content-Length: 4', chunked],
      [chunked, 'Content-Length: 4'],
      [chunked, 'X-Between: 1', 'Content-Length: 4'],
    ]) {
      await hop.expectRefused(hop.post(fields, body), 'request.malformed')
    }
  })

  it('E01 E02 pattern E01 forwards a body with one of them, framed by exactly one of them', async () => {
    for (const bytes of [
      hop.post(['Content-Length: 5'], 'hello'),
      hop.post(['CONTENT-LENGTH: 5'], 'hello'),
      hop.post([chunked], `${chunk('hello')}${lastChunk}`),
      hop.post([chunked], `${chunk('he')}${chunk('llo')}${lastChunk}`),
    ]) {
      const received = await hop.expectOneRequest(bytes)
      expect(framing(received)).toHaveLength(1)
      expect(received.body.toString()).toBe('hello')
    }
  })
})

describe('E03: Transfer-Encoding in other words', () => {
  const spellings = [
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: chunkedx',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: chunked,',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: chunked;q=1',
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: 'chunked'",
    'Transfer-Encoding: chunked chunked',
    'Transfer-Encoding: chunked\x0b',
    'Transfer-Encoding: \x0bchunked',
    'Transfer-Encoding: \x0cchunked',
    'Transfer-Encoding: \x00chunked',
    'Transfer-Encoding: \x85chunked',
    'Transfer-Encoding: \xa0chunked',
    'Transfer-Encoding: chun\xadked',
    'Transfer-Encoding:',
    'Transfer-Encoding: ',
    'Transfer-Encoding\t: chunked',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding\x0b: chunked',
    ' Transfer-Encoding: chunked',
    '\tTransfer-Encoding: chunked',
    '\x00Transfer-Encoding: chunked',
    'Transfer\u00adEncoding: chunked',
    'Transfer Encoding: chunked',
    'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding: chunked\r\n\t, identity',
    'Transfer-Encoding\r\n : chunked',
    'Transfer-Encoding:\nchunked',
    'X: x\nTransfer-Encoding: chunked',
    'X: x\rTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
    'Transfer-Encoding: chunked\r\ntransfer-encoding: identity',
  ]

  it.each(spellings)('E03 refuses %j, with a length and without', async field => {
    const body = `${lastChunk}${smuggled()}`
    await hop.expectRefused(hop.post([field], body), 'request.malformed')
    await hop.expectRefused(hop.post([`Content-Length: ${body.length}`, field], body), 'request.malformed')
    await hop.expectRefused(hop.post([field, `Content-Length: ${body.length}`], body), 'request.malformed')
  })

  const readByTheParser = [
    'Transfer-Encoding: identity, chunked',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: ,chunked',
    'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  ]

  it.each(readByTheParser)('E03 pattern E05 refuses %j although it ends in chunked', async field => {
    await hop.expectRefused(hop.post([field], `${chunk('hello')}${lastChunk}`), 'request.malformed')
    const body = `${lastChunk}${smuggled()}`
    await hop.expectRefused(hop.post([`Content-Length: ${body.length}`, field], body), 'request.malformed')
    await hop.expectRefused(hop.post([field, `Content-Length: ${body.length}`], body), 'request.malformed')
  })

  it.each(readByTheParser)('E03 pattern E05 reads nothing behind the refused %j', async field => {
    await hop.expectRefused(hop.post([field], `${lastChunk}${smuggled()}`), 'request.malformed')
  })

  it.each(['Transfer_Encoding', 'Transfer.Encoding', 'transfer_encoding'])(
    'E03 reads the length beside %s, which upstream never sees',
    async name => {
      const body = `${lastChunk}${smuggled()}`
      const received = await hop.expectOneRequest(
        hop.post([`Content-Length: ${body.length}`, `${name}: chunked`], body),
      )
      expect(received.body.toString()).toBe(body)
      expect(received.raw.toString()).not.toMatch(/transfer.?encoding/i)
    },
  )

  it.each(['Transfer-Encoding:chunked', 'TRANSFER-ENCODING: Chunked', 'transfer-encoding: \t chunked '])(
    'E03 reads %j, and writes it anew',
    async field => {
      const received = await hop.expectOneRequest(hop.post([field], `${chunk('hello')}${lastChunk}`))
      expect(framing(received)).toHaveLength(1)
      expect(received.headerAll('transfer-encoding')).toEqual(['chunked'])
      expect(received.body.toString()).toBe('hello')
    },
  )

  it('E03 breaks off chunked and a tab, which the parser takes for another coding', async () => {
    await hop.expectBrokenOff(hop.post([`${chunked}\t`], `${lastChunk}${smuggled()}`))
  })
})

describe('E04: Content-Length', () => {
  it.each([
    '5, 5',
    '5,5',
    '5, 50',
    '5 5',
    '+5',
    '-5',
    '-1',
    '-0',
    '0x5',
    '5x',
    'x5',
    '5.0',
    '5e0',
    '1e1',
    '"5"',
    '5;',
    '5_0',
    '',
    '\x0b5',
    '5\x0c',
    '\x00',
    '5\x00',
    '\xb2',
    '\xa05',
    '18446744073709551616',
    '18446744073709551621',
    '99999999999999999999999999999999',
  ])('E04 refuses a length of %j', async length => {
    await hop.expectRefused(
      hop.post([`Content-Length: ${length}`], `hello${smuggled()}`),
      'request.malformed',
    )
  })

  it.each([
    ['the same', ['Content-Length: 5', 'Content-Length: 5']],
    ['different ones', ['Content-Length: 5', 'Content-Length: 50']],
    ['the shorter one last', ['Content-Length: 50', 'Content-Length: 5']],
    ['another case', ['Content-Length: 5', 'content-length: 5']],
    ['none and one', ['Content-Length: 0', 'Content-Length: 5']],
    ['one that is folded', ['Content-Length: 5\r\n 0']],
    ['a space before the colon', ['Content-Length : 5']],
    ['a tab before the colon', ['Content-Length\t: 5']],
  ])('E04 refuses two lengths or a bent one: %s', async (_, fields) => {
    await hop.expectRefused(hop.post(fields, `hello${smuggled()}`), 'request.malformed')
  })

  it.each(['5', '005', '5 ', '\t5\t'])('E04 forwards a length of %j as one length', async length => {
    const received = await hop.expectOneRequest(hop.post([`Content-Length: ${length}`], 'hello'))
    expect(received.headerAll('content-length').map(Number)).toEqual([5])
    expect(received.headerAll('transfer-encoding')).toEqual([])
    expect(received.body.toString()).toBe('hello')
  })

  it('E04 reads the length beside Content_Length, which upstream never sees', async () => {
    const received = await hop.expectOneRequest(
      hop.post(['Content_Length: 500', 'Content-Length: 5'], 'hello'),
    )
    expect(received.raw.toString()).not.toMatch(/content_length/i)
    expect(received.body.toString()).toBe('hello')
  })
})

describe('E05: a body where none is expected', () => {
  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])(
    'E05 forwards the body of a %s as its body, whatever it looks like',
    async method => {
      const body = smuggled()
      for (const framed of [
        hop.post([`Content-Length: ${body.length}`], body),
        hop.post([chunked], `${chunk(body)}${lastChunk}`),
      ]) {
        const received = await hop.expectOneRequest(framed.replace('POST', method), {
          head: method === 'HEAD',
        })
        expect([received.method, received.body.toString()]).toEqual([method, body])
      }
    },
  )

  it('E05 takes what follows a body for the next request, which needs its own token', async () => {
    const bare = 'GET /orders/smuggled HTTP/1.1\r\nHost: orders.test\r\n\r\n'
    await expectSecondDenied(`${hop.post(['Content-Length: 5'], 'hello')}${bare}`)
    await expectSecondDenied(`${hop.post([], '')}${bare}`)
    await expectSecondDenied(`${hop.post([chunked], `${chunk('hello')}${lastChunk}`)}${bare}`)
  })
})

describe('E06: chunks', () => {
  it.each([
    ['0x5', '0x5\r\nhello\r\n'],
    ['-5', '-5\r\nhello\r\n'],
    ['+5', '+5\r\nhello\r\n'],
    ['5 with a space before', ' 5\r\nhello\r\n'],
    ['5 with a vertical tab', '5\x0b\r\nhello\r\n'],
    ['5 with NUL', '5\x00\r\nhello\r\n'],
    ['5g', '5g\r\nhello\r\n'],
    ['nothing', '\r\nhello\r\n'],
    ['an extension without a size', ';a=b\r\nhello\r\n'],
    ['5 and a bare line feed', '5\nhello\r\n'],
    ['5 and a bare carriage return', '5\rhello\r\n'],
    ['5 and a line feed in the extension', '5;a\nb\r\nhello\r\n'],
    ['5 and NUL in the extension', '5;a\x00\r\nhello\r\n'],
    ['17 digits', 'FFFFFFFFFFFFFFFF1\r\nhello\r\n'],
    ['2^64', '10000000000000000\r\nhello\r\n'],
    ['2^64 + 5', '10000000000000005\r\nhello\r\n'],
    ['a size in UTF-8 digits', '\uff15\r\nhello\r\n'],
  ])('E06 breaks off a chunk whose size is %s', async (_, bad) => {
    const good = chunk('first')
    for (const body of [`${bad}${lastChunk}`, `${good}${bad}${lastChunk}`]) {
      await hop.expectBrokenOff(hop.post([chunked], `${body}${smuggled()}`))
    }
  })

  it.each([
    ['nothing', '5\r\nhello'],
    ['a bare line feed', '5\r\nhello\n'],
    ['a bare carriage return', '5\r\nhello\r'],
    ['more data', '5\r\nhello world\r\n'],
    ['two bytes that are no line end', '5\r\nhelloXY'],
  ])('E06 breaks off a chunk that ends in %s', async (_, bad) => {
    await hop.expectBrokenOff(hop.post([chunked], `${bad}${lastChunk}${smuggled()}`))
  })

  it.each([64 * 1024, 4 * 1024 * 1024])('E06 breaks off a chunk extension of %i bytes', async size => {
    await hop.expectBrokenOff(hop.post([chunked], `5;${'x'.repeat(size)}\r\nhello\r\n${lastChunk}`))
  })

  it.each([
    ['Content-Length', 'Content-Length: 5'],
    ['Transfer-Encoding', 'Transfer-Encoding: chunked'],
    ['a field without a colon', 'nonsense'],
    ['a folded field', 'X-Late: 1\r\n folded'],
    ['a space before the colon', 'X-Late : 1'],
    ['NUL in a value', 'X-Late: \x00'],
    ['a bare line feed', 'X-Late: 1\nX-More: 2'],
    ['64 KiB', `X-Late: ${'x'.repeat(65_536)}`],
    ['5,000 fields', 'X-Late: 1\r\n'.repeat(5_000).trimEnd()],
  ])('E06 breaks off trailers with %s', async (_, trailer) => {
    await hop.expectBrokenOff(hop.post([chunked], `${chunk('hello')}0\r\n${trailer}\r\n\r\n${smuggled()}`))
  })

  it.each(['Authorization: Bearer x', 'Host: elsewhere.test', 'X-User-Id: admin', 'Cookie: a=b'])(
    'pattern E11 takes the trailer %j for no header field, and forwards none',
    async trailer => {
      const received = await hop.expectOneRequest(
        hop.post([chunked, 'Trailer: X-Late'], `${chunk('hello')}0\r\n${trailer}\r\n\r\n`),
      )
      expect(received.body.toString()).toBe('hello')
      expect(received.raw.toString().toLowerCase()).not.toContain(trailer.toLowerCase())
      expect(received.headerAll('host')).toEqual(['orders.test'])
      expect(received.headerAll('authorization')).toHaveLength(1)
    },
  )

  it('pattern E11 forwards the trailer "X-Late: 1" as a trailer, and as no header field', async () => {
    const received = await hop.expectOneRequest(
      hop.post([chunked, 'Trailer: X-Late'], `${chunk('hello')}0\r\nX-Late: 1\r\n\r\n`),
    )
    expect(received.header('x-late')).toBeUndefined()
    expect(received.raw.toString()).toMatch(/5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n$/)
  })

  it.each([
    ['an extension', '5;a=b;c="d"\r\nhello\r\n'],
    ['leading zeros', '0005\r\nhello\r\n'],
    ['capital letters', `A\r\nhellohello\r\n`],
  ])('E06 forwards chunks with %s, framed anew', async (_, body) => {
    const received = await hop.expectOneRequest(hop.post([chunked], `${body}${lastChunk}`))
    expect(received.body.toString()).toMatch(/^(hello){1,2}$/)
    expect(received.raw.toString()).not.toContain('a=b')
  })
})

describe('E07: lines', () => {
  const line = 'GET /orders/1 HTTP/1.1'
  const rest = (): string => `${hop.get().slice(line.length + 2)}`

  it.each<[string, () => string]>([
    ['a bare line feed behind the request line', () => `${line}\n${rest()}`],
    ['a bare carriage return behind the request line', () => `${line}\r${rest()}`],
    ['bare line feeds everywhere', () => hop.get().replaceAll('\r\n', '\n')],
    ['a bare line feed at the end of the head', () => `${hop.get().slice(0, -2)}\n`],
    ['a bare line feed in a value', () => hop.get('/orders/1', 'X-A: 1\nX-B: 2')],
    ['a bare carriage return in a value', () => hop.get('/orders/1', 'X-A: 1\rX-B: 2')],
    ['a carriage return too many', () => hop.get('/orders/1', 'X-A: 1\r')],
    ['NUL in a value', () => hop.get('/orders/1', 'X-A: \x001')],
    ['a control byte in a value', () => hop.get('/orders/1', 'X-A: \x01')],
    ['DEL in a value', () => hop.get('/orders/1', 'X-A: \x7f')],
    ['a field without a colon', () => hop.get('/orders/1', 'nonsense')],
    ['a field without a name', () => hop.get('/orders/1', ': nothing')],
    ['a space before the colon', () => hop.get('/orders/1', 'X-A : 1')],
    ['a tab before the colon', () => hop.get('/orders/1', 'X-A\t: 1')],
    ['a space in a name', () => hop.get('/orders/1', 'X A: 1')],
    ['a NUL in a name', () => hop.get('/orders/1', 'X\x00A: 1')],
    ['a byte above ASCII in a name', () => hop.get('/orders/1', 'X-\xe9: 1')],
    ['a comma in a name', () => hop.get('/orders/1', 'X,A: 1')],
    ['a first field that is folded', () => `${line}\r\n X-A: 1\r\n${rest()}`],
    ['a folded field', () => hop.get('/orders/1', 'X-A: 1\r\n 2')],
    ['a field folded by a tab', () => hop.get('/orders/1', 'X-A: 1\r\n\t2')],
    ['a folded Host', () => `${line}\r\nHost:\r\n orders.test\r\n\r\n`],
    ['a space before the request line', () => ` ${hop.get()}`],
    ['NUL before the request line', () => `\x00${hop.get()}`],
    ['a byte order mark', () => `\xef\xbb\xbf${hop.get()}`],
    ['a tab in the request line', () => `GET\t/orders/1\tHTTP/1.1\r\n${rest()}`],
    ['a space behind the version', () => `${line} \r\n${rest()}`],
    ['a space in the target', () => `GET /orders/1 /admin HTTP/1.1\r\n${rest()}`],
    ['a carriage return in the target', () => `GET /orders/\r1 HTTP/1.1\r\n${rest()}`],
    ['NUL in the target', () => `GET /orders/\x001 HTTP/1.1\r\n${rest()}`],
    ['a method in small letters', () => hop.get().replace('GET', 'get')],
    ['a method that is no token', () => hop.get().replace('GET', 'G@T')],
    ['a method and a line feed', () => `\nGET\n/orders/1 HTTP/1.1\r\n${rest()}`],
    ['no method', () => ` /orders/1 HTTP/1.1\r\n${rest()}`],
    ['only a line', () => 'nonsense\r\n\r\n'],
    ['a TLS handshake', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(200, '\x00')],
  ])('E07 refuses %s', async (_, bytes) => {
    await hop.expectRefused(`${bytes()}${smuggled()}`, 'request.malformed')
  })

  const twoHosts = ['Host: orders.test', 'Host: elsewhere.test', 'host: orders.test']

  it.each(twoHosts)('E07 refuses a second %s', async field => {
    await hop.expectRefused(hop.get('/orders/1', field), 'request.malformed')
  })

  it.each(twoHosts)('E07 reads nothing behind a refused second %s', async field => {
    await hop.expectRefused(`${hop.get('/orders/1', field)}${smuggled()}`, 'request.malformed')
  })

  it.each(['GET  /orders/1 HTTP/1.1', 'GET /orders/1  HTTP/1.1'])('E07 writes %j anew', async spaced => {
    expect((await hop.expectOneRequest(`${spaced}\r\n${rest()}`)).startLine).toBe(line)
  })

  it('E07 ignores empty lines before the request line (RFC 9112 §2.2)', async () => {
    await hop.expectOneRequest(`\r\n${hop.get()}`)
  })

  it('E07 ends the connection of a caller who sends nothing but empty lines', async () => {
    const before = hop.lines.length
    const socket = await openRaw(hop.port)
    const answer = readAnswer(socket, { timeoutMs: 10_000 })
    const writing = setInterval(() => socket.write('\r\n'.repeat(1_000)), 20)
    expect(await answer).toMatchObject({ closed: true, responses: [{ status: 408 }] })
    clearInterval(writing)
    expect(await hop.event(before)).toMatchObject({ refusal: 'request.timeout' })
    await hop.expectServed()
    expect(hop.lines).toHaveLength(before + 2)
  })
})

describe('E08: versions', () => {
  const as = (version: string): string => hop.get().replace('HTTP/1.1', version)

  it.each([
    'HTTP/1.2',
    'HTTP/1.9',
    'HTTP/1.1x',
    'HTTP/1.10',
    'HTTP/01.1',
    'HTTP/1,1',
    'HTTP/1',
    'HTTP/11',
    'HTTP/2',
    'HTTP/3.0',
    'HTTP/-1.1',
    'http/1.1',
    'HTTPS/1.1',
    'HTP/1.1',
    'ICE/1.0',
  ])('E08 refuses the version %s', async version => {
    await hop.expectRefused(`${as(version)}${smuggled()}`, 'request.malformed')
  })

  it.each<[string, () => string]>([
    ['HTTP/0.9', () => as('HTTP/0.9')],
    ['HTTP/2.0', () => as('HTTP/2.0')],
    ['none at all', () => 'GET /orders/1\r\n\r\n'],
    ['none, with fields', () => hop.get().replace(' HTTP/1.1', '')],
  ])('E08 refuses a version that the parser knows and this port does not: %s', async (_, bytes) => {
    await hop.expectRefused(bytes(), 'request.malformed')
  })

  it('E08 pattern E05 refuses chunks in HTTP/1.0, which knows none', async () => {
    const body = `${chunk('hello')}${lastChunk}`
    for (const fields of [
      [chunked],
      [chunked, 'Connection: keep-alive'],
      ['Connection: keep-alive', chunked],
    ]) {
      const bytes = hop.post(fields, body).replace('HTTP/1.1', 'HTTP/1.0')
      await hop.expectRefused(bytes, 'request.malformed')
    }
  })

  it('E08 serves HTTP/1.0 with a length, and ends the connection', async () => {
    const bytes = hop.post(['Content-Length: 5'], 'hello').replace('HTTP/1.1', 'HTTP/1.0')
    const received = await hop.expectOneRequest(bytes)
    expect([received.startLine, received.body.toString()]).toEqual(['POST /orders/1 HTTP/1.1', 'hello'])
  })
})

describe('E12: Expect', () => {
  const expecting = (token: string): string =>
    `POST /orders/1 HTTP/1.1\r\nHost: orders.test\r\n${token}Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n`

  it('E12 pattern E14 says no at once to who asks whether to send a body, reads none of it, and ends', async () => {
    const refused = await expectDenied(expecting(''), 'token.missing')
    expect(refused.interim).toEqual([])
    expect(refused.closed).toBe(true)
    const invalid = await expectDenied(expecting('Authorization: Bearer a.b.c\r\n'), 'token.invalid')
    expect([invalid.interim, invalid.closed]).toEqual([[], true])
  })

  it('E12 pattern E14 does not take the refused body for a request', async () => {
    const answer = await expectDenied(`${expecting('')}${smuggled()}`, 'token.missing')
    expect(answer.closed).toBe(true)
  })

  it.each(['200-ok', '100-continue, 200-ok', '100-continue;a', '', '101-continue'])(
    'E12 pattern E14 refuses Expect: %j',
    async value => {
      const bytes = hop.post([`Expect: ${value}`, 'Content-Length: 5'], 'hello')
      await hop.expectRefused(bytes, 'request.expectation')
    },
  )

  it('E12 pattern E14 asks for the body of a good request once, and answers once', async () => {
    const received = await hop.expectOneRequest([
      hop.post(['Expect: 100-continue', 'Content-Length: 5']),
      'hello',
    ])
    expect([received.body.toString(), received.headerAll('expect')]).toEqual(['hello', []])
  })
})

describe('E13: several requests on one connection', () => {
  it('E13 authenticates each of them by itself', async () => {
    const bare = 'GET /orders/2 HTTP/1.1\r\nHost: orders.test\r\n\r\n'
    const bad = bare.replace('\r\n\r\n', '\r\nAuthorization: Bearer a.b.c\r\n\r\n')
    const from = { events: hop.lines.length, requests: hop.upstream.requests.length }
    const answer = await sendRaw(
      hop.port,
      `${hop.get()}${bare}${hop.get('/orders/3')}${bad}${hop.get('/orders/4')}`,
      {
        responses: 5,
      },
    )
    expect(statuses(answer)).toEqual([200, 401, 200, 401, 200])
    await hop.expectServed()
    const targets = hop.upstream.requests.slice(from.requests, -1).map(({ target }) => target)
    expect(targets.toSorted()).toEqual(['/orders/1', '/orders/3', '/orders/4'])
    expect(hop.lines).toHaveLength(from.events + 6)
  })

  it('E13 gives each its own answer when those of the upstream come in another order', async () => {
    const waitMs: Readonly<Record<string, number>> = { '/orders/a': 60, '/orders/b': 30, '/orders/c': 0 }
    hop.upstream.answerWith(async ({ target }) => {
      await new Promise(resolve => setTimeout(resolve, waitMs[target]))
      return response(200, target)
    })
    const answer = await sendRaw(
      hop.port,
      Object.keys(waitMs)
        .map(path => hop.get(path))
        .join(''),
      { responses: 3 },
    )
    hop.upstream.answerWith(usual)
    expect(answer.responses.map(({ text }) => text)).toEqual(Object.keys(waitMs))
  })

  it.each<[string, () => string]>([
    ['that ends the connection', () => hop.get('/orders/1', 'Connection: close')],
    ['of HTTP/1.0', () => hop.get().replace('HTTP/1.1', 'HTTP/1.0')],
  ])('E13 processes nothing behind a request %s', async (_, last) => {
    const from = hop.lines.length
    hop.upstream.clear()
    const answer = await sendRaw(hop.port, `${last()}${smuggled()}`)
    expect([[], [200]]).toContainEqual(statuses(answer))
    expect(answer.closed).toBe(true)
    await hop.expectServed()
    expect(hop.upstream.requests.some(({ target }) => target === '/orders/smuggled')).toBe(false)
    const events = hop.lines.slice(from, -1).map(line => JSON.parse(line).data)
    expect(events.filter(({ path }) => path === '/orders/1')).toHaveLength(1)
    expect(events.filter(({ path }) => path === '/orders/smuggled')).toEqual([])
  })

  it('E13 processes nothing behind a request that it refuses to read', async () => {
    await hop.expectRefused(`${hop.get('/orders/1', 'Expect: x')}${smuggled()}`, 'request.expectation')
  })
})

describe('E14: a request that is given up', () => {
  it.each([
    ['in the middle of a body with a length', () => hop.post(['Content-Length: 1000'], 'first')],
    ['in the middle of a chunk', () => hop.post([chunked], '3e8\r\nfirst')],
    ['between two chunks', () => hop.post([chunked], chunk('first'))],
    ['before its answer', () => hop.get('/orders/hang')],
  ])('E14 takes its upstream connection along: %s', async (_, bytes) => {
    hop.upstream.answerWith(({ target }) => (target === '/orders/hang' ? { action: 'hang' } : usual))
    const from = { events: hop.lines.length, bytes: receivedBytes() }
    const socket = await openRaw(hop.port)
    socket.write(bytes())
    await until(() => receivedBytes() > from.bytes, 'the upstream has got the beginning')
    const used = hop.upstream.connections.findLastIndex(({ isOpen }) => isOpen)
    socket.destroy()
    expect(await hop.event(from.events)).toMatchObject({ refusal: 'client.closed', status: 499 })
    await until(() => hop.upstream.connections[used]?.isOpen === false, 'its connection is closed')
    await hop.expectServed()
    expect(hop.upstream.requests.at(-1)?.connection).not.toBe(used)
    expect(hop.lines).toHaveLength(from.events + 2)
    hop.upstream.answerWith(usual)
  })
})

describe('patterns E06 and E07: whatever else two readers may disagree on', () => {
  /** Where a byte is put; `CL` of the whole body stands beside it, so the two ways to read differ. */
  const places: readonly ((byte: string) => string)[] = [
    byte => `Transfer-Encoding${byte}: chunked`,
    byte => `Transfer-Encoding:${byte}chunked`,
    byte => `Transfer-Encoding: ${byte} chunked`,
    byte => `Transfer-Encoding: chunked${byte}`,
    byte => `Transfer-Encoding: chun${byte}ked`,
    byte => `${byte}Transfer-Encoding: chunked`,
    byte => `Transfer${byte}Encoding: chunked`,
    byte => `X-A: 1${byte}Transfer-Encoding: chunked`,
    byte => `X-A: 1\r${byte}Transfer-Encoding: chunked`,
    byte => `X-A: 1${byte}\nTransfer-Encoding: chunked`,
    byte => `Transfer-Encoding${byte}chunked`,
    byte => `Transfer-Encoding: chunked\r\nX-A${byte}: 1`,
  ]
  /** All but letters and digits; of the upper half controls, spaces and the ends. */
  const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter(byte =>
    /[^A-Za-z0-9\xa1-\xac\xae-\xfe]/.test(byte),
  )

  it.each(places.map((place, index) => [place('?'), index] as const))(
    'pattern E06 pattern E07 finds one end or none with an odd byte in %s',
    async (_, index) => {
      const place = places[index] as (byte: string) => string
      hop.upstream.clear()
      const body = `${lastChunk}${smuggled()}`
      let read = 0
      await inParallel(bytes, async byte => {
        const from = hop.lines.length
        const field = place(byte)
        const answer = await sendRaw(hop.port, hop.post([`Content-Length: ${body.length}`, field], body), {
          quietMs: 60,
        })
        expect([[400], [200]], JSON.stringify(field)).toContainEqual(statuses(answer))
        if (statuses(answer)[0] === 400) expect(answer.closed, JSON.stringify(field)).toBe(true)
        else read += 1
        expect(hop.lines.length).toBeGreaterThan(from)
      })
      const got = hop.upstream.requests.filter(one => one.method === 'POST')
      for (const one of got) {
        expect(framing(one).map(([, value]) => Number(value))).toEqual([body.length])
        expect(one.body.toString()).toBe(body)
      }
      expect(got).toHaveLength(read)
      expect(hop.upstream.requests.some(({ target }) => target === '/orders/smuggled')).toBe(false)
      await hop.expectServed()
    },
  )
})

describe('pattern F14: many header fields', () => {
  it.each([
    ['101 fields', () => hop.get('/orders/1', ...Array.from({ length: 99 }, (_, n) => `X-${n}: 1`))],
    ['2,500 fields', () => hop.get('/orders/1', ...Array.from({ length: 2_498 }, () => 'A:'))],
    [
      '2,500 fields and the credentials last',
      () =>
        `GET /orders/1 HTTP/1.1\r\nHost: orders.test\r\n${'A:\r\n'.repeat(2_500)}${hop.get().split('\r\n')[2]}\r\n\r\n`,
    ],
    ['a field of 17 kB', () => hop.get('/orders/1', `X-Big: ${'x'.repeat(17_000)}`)],
    ['a field name of 17 kB', () => hop.get('/orders/1', `${'x'.repeat(17_000)}: 1`)],
    ['a target of 17 kB', () => hop.get(`/orders/${'x'.repeat(17_000)}`)],
    ['a field without end', () => `${hop.get().slice(0, -2)}X-Big: ${'x'.repeat(50_000)}`],
    ['a head without end', () => `${hop.get().slice(0, -2)}${'X-A: 1\r\n'.repeat(5_000)}`],
  ])('pattern F14 refuses %s instead of cutting some off', async (_, bytes) => {
    await hop.expectRefused(bytes(), 'request.header_too_large')
  })

  it('pattern F14 forwards all of 100 fields', async () => {
    const fields = Array.from({ length: 98 }, (_, n) => `X-${n}: ${n}`)
    const received = await hop.expectOneRequest(hop.get('/orders/1', ...fields))
    for (const [n] of fields.entries()) expect(received.header(`x-${n}`)).toBe(String(n))
  })
})

/** The fields that say where a message ends. */
function framing(message: RecordedRequest): RecordedRequest['headers'] {
  return message.headers.filter(([name]) => /^(content-length|transfer-encoding)$/i.test(name))
}

const receivedBytes = (): number => hop.upstream.connections.reduce((sum, { raw }) => sum + raw.length, 0)

/** A good request and one without a token behind it on the same connection: 200, then 401, and two events. */
async function expectSecondDenied(bytes: string): Promise<void> {
  const from = { events: hop.lines.length, requests: hop.upstream.requests.length }
  const answer = await sendRaw(hop.port, bytes, { responses: 2 })
  expect(statuses(answer)).toEqual([200, 401])
  await hop.expectServed()
  expect(hop.upstream.requests).toHaveLength(from.requests + 2)
  expect(hop.lines).toHaveLength(from.events + 3)
}

/** A request that is refused for its credentials: one answer, one event, and nothing for the upstream. */
async function expectDenied(bytes: string, code: RefusalCode): Promise<RawAnswer> {
  const from = { events: hop.lines.length, bytes: receivedBytes() }
  const answer = await sendRaw(hop.port, bytes)
  expect(statuses(answer)).toEqual([401])
  expect(await hop.event(from.events)).toMatchObject({ refusal: code })
  expect(receivedBytes()).toBe(from.bytes)
  await hop.expectServed()
  expect(hop.lines).toHaveLength(from.events + 2)
  return answer
}

/** At most 32 at a time. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}
