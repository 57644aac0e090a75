import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FramedHop, startFramedHop, usual } from '../support/framed-hop.ts'
import { createHostileUpstream, type HostileUpstream, latin1, ok } from '../support/hostile-upstream.ts'
import type { Answer } from '../support/upstream.ts'

/**
 * Response smuggling: the upstream is the enemy, or somebody chooses its answers. An answer with two ends gives one
 * caller the beginning of another one's; a line break in a value makes a field of it, and in a caller's cache a whole
 * answer; a head without end fills the memory. Strictly one reading or 502, and the connection is never used again.
 */

let hop: FramedHop
let upstream: HostileUpstream
beforeAll(async () => {
  hop = await startFramedHop({ more: 'timeouts: { upstream_headers: 1s, body_idle: 500ms }' })
  upstream = createHostileUpstream(hop)
})
afterAll(() => hop.close())
afterEach(() => {
  hop.upstream.clear()
  hop.upstream.answerWith(usual)
})

const chunks = '2\r\nok\r\n0\r\n\r\n'
const chunked = 'Transfer-Encoding: chunked'

describe('E15: two ends', () => {
  const withLength = (length: string): [string, string] => [
    `a length of ${JSON.stringify(length)}`,
    `${ok(`Content-Length: ${length}`)}ok`,
  ]
  const withCoding = (coding: string): [string, string] => [
    `a coding of ${JSON.stringify(coding)}`,
    `${ok(`Transfer-Encoding: ${coding}`)}${chunks}`,
  ]
  const oddLengths = ['', '+2', '-2', '-0', '0x2', '2.0', '1e1', '2x', '2 2', '"2"', '2;', '2, 2', '2, 50']
  const oddCodings = ['chunked\x0b', '\x0bchunked']
  const acceptedCodings = [
    'xchunked',
    'chunked, identity',
    'identity, chunked',
    'identity',
    'gzip, chunked',
    'gzip',
    'chunked, chunked',
    ',chunked',
    '"chunked"',
    'chunked;q=1',
    '',
  ]

  it.each<[string, string]>([
    ['a length and chunks', `${ok('Content-Length: 2', chunked)}${chunks}`],
    ['chunks and a length', `${ok(chunked, 'Content-Length: 2')}${chunks}`],
    ['chunks and a length of 0', `${ok(chunked, 'Content-Length: 0')}${chunks}`],
    ['two lengths', `${ok('Content-Length: 2', 'Content-Length: 50')}ok`],
    ['two lengths, the longer one first', `${ok('Content-Length: 50', 'Content-Length: 2')}ok`],
    ['the same length twice', `${ok('Content-Length: 2', 'content-length: 2')}ok`],
    ['a space before the colon of a length', `${ok('Content-Length : 2')}ok`],
    ['a space before the colon of a coding', `${ok('Transfer-Encoding : chunked')}${chunks}`],
    ['a folded length', `${ok('Content-Length:\r\n 2')}ok`],
    ...oddLengths.map(withLength),
    withLength('18446744073709551618'),
    ...oddCodings.map(withCoding),
  ])('E15 answers 502 for %s', async (_, bytes) => {
    await upstream.expectMalformed(latin1(bytes))
  })

  it.each<[string, string]>([
    ['two codings', `${ok(chunked, chunked)}${chunks}`],
    ['identity behind chunked', `${ok(chunked, 'Transfer-Encoding: identity')}${chunks}`],
    ['chunks in HTTP/1.0', `${ok(chunked).replace('1.1', '1.0')}${chunks}`],
    ...acceptedCodings.map(withCoding),
  ])('E15 answers 502 for %s', async (_, bytes) => {
    await upstream.expectMalformed(latin1(bytes))
  })

  it.each<[string, string]>([
    ['a length', `${ok('Content-Length: 2')}ok`],
    ['a length with spaces before it', `${ok('Content-Length: \t 2')}ok`],
    ['chunks', `${ok(chunked)}1\r\no\r\n1\r\nk\r\n0\r\n\r\n`],
    ['chunks with extensions', `${ok('transfer-encoding:Chunked')}0002;a=b\r\nok\r\n0;c\r\n\r\n`],
  ])('E15 passes an answer with %s on, and uses the connection again', async (_, bytes) => {
    await upstream.expectWhole(bytes, 200, 'ok')
  })

  it('E15 passes an answer with a length and spaces behind it on', async () => {
    await upstream.expectWhole(`${ok('Content-Length: 2 \t')}ok`, 200, 'ok')
  })
})

describe('E15: heads that are none', () => {
  const withLine = (line: string): [string, string] => [
    `the status line ${JSON.stringify(line)}`,
    `${line}\r\nContent-Length: 2\r\n\r\nok`,
  ]
  const lines = [
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 2OO OK',
    'HTTP/1.1 -20 OK',
    'HTTP/1.1 0x0C8 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 OK',
    'HTTP/1.1',
    'HTTP/1.1 ',
    'HTTP/1.1200 OK',
    'HTTP/1.1 200OK',
    'HTTP/11 200 OK',
    'HTTP/1 200 OK',
    'HTTP/2 200 OK',
    'HTTP/3.0 200 OK',
    'HTTP/1.1x 200 OK',
    'http/1.1 200 OK',
    'ICY 200 OK',
    'GET / HTTP/1.1',
    ' HTTP/1.1 200 OK',
    'HTTP/1.1 200 O\rK',
  ]
  const acceptedLines = [
    'HTTP/1.1 099 OK',
    'HTTP/1.1 000 OK',
    'HTTP/2.0 200 OK',
    'HTTP/0.9 200 OK',
    'RTSP/1.0 200 OK',
    '\r\nHTTP/1.1 200 OK',
    'HTTP/1.1 200 O\x00K',
  ]

  it.each<[string, string]>([
    ['no HTTP at all', 'poison\r\n\r\n'],
    ['a body without a head, as in HTTP/0.9', '<html>poison</html>'.repeat(10)],
    ['the greeting of an SSH server', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['the alert of a TLS server', '\x15\x03\x03\x00\x02\x02\x0a'],
    ['the settings of HTTP/2', '\x00\x00\x00\x04\x00\x00\x00\x00\x00'],
    ...lines.map(withLine),
    ['a bare line feed behind the status line', 'HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok'],
    ['bare line feeds only', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['a bare line feed at the end of the head', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok'],
    ['a bare line feed in a value', `${ok('X-A: 1\nX-Poison: 1', 'Content-Length: 2')}ok`],
    ['a bare carriage return in a value', `${ok('X-A: 1\rX-Poison: 1', 'Content-Length: 2')}ok`],
    ['a carriage return too many', `${ok('X-A: 1\r', 'Content-Length: 2')}ok`],
    ['NUL in a value', `${ok('X-A: \x00', 'Content-Length: 2')}ok`],
    ['a control byte in a value', `${ok('X-A: \x01', 'Content-Length: 2')}ok`],
    ['DEL in a value', `${ok('X-A: \x7f', 'Content-Length: 2')}ok`],
    ['a folded field', `${ok('X-A: 1\r\n X-Poison: 1', 'Content-Length: 2')}ok`],
    ['a first field that is folded', `${ok(' X-A: 1', 'Content-Length: 2')}ok`],
    ['a field without a colon', `${ok('poison', 'Content-Length: 2')}ok`],
    ['a field without a name', `${ok(': poison', 'Content-Length: 2')}ok`],
    ['a space before the colon', `${ok('X-Poison : 1', 'Content-Length: 2')}ok`],
    ['a space in a name', `${ok('X Poison: 1', 'Content-Length: 2')}ok`],
    ['NUL in a name', `${ok('X-\x00Poison: 1', 'Content-Length: 2')}ok`],
    ['a byte above ASCII in a name', `${ok('X-Poison\xe9: 1', 'Content-Length: 2')}ok`],
  ])('E15 answers 502 for %s', async (_, bytes) => {
    await upstream.expectMalformed(latin1(bytes))
  })

  it.each(acceptedLines.map(withLine))('E15 answers 502 for %s', async (_, bytes) => {
    await upstream.expectMalformed(latin1(bytes))
  })

  it.each([
    ['a protocol that nobody asked for', 'websocket'],
    ['HTTP/2', 'h2c'],
  ])('E15 answers 502 for 101 to %s', async (_, protocol) => {
    const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
    await upstream.expectMalformed(`${head}poison`)
  })

  it('E15 passes on what is odd and clear', async () => {
    const fields = ['X-Empty:', 'X-Odd:\t\xe9 "\x80" ', "!#$%&'*+-.^_`|~: 1", 'Content-Length: 0']
    const { responses } = await upstream.expectWhole(latin1(ok(...fields)), 200, '')
    expect(responses[0]?.header('x-empty')).toBe('')
    expect(responses[0]?.header('x-odd')).toBe('\xe9 "\x80"')
    expect(responses[0]?.header("!#$%&'*+-.^_`|~")).toBe('1')
  })
})

describe('E15: heads without end', () => {
  /** What fits into the buffers of the kernel and of Node at both ends, and no message. */
  const boundBytes = 16 * 1024 * 1024

  /** Writes a beginning and then the same again and again, as fast as it is read, until it is read no more. */
  function endlessly(beginning: string, again: string): { answer: Answer; written: () => number } {
    const piece = latin1(again.repeat(Math.ceil(65_536 / again.length)))
    let written = 0
    return {
      written: () => written,
      answer: async (_request, socket) => {
        socket.write(beginning)
        const closed = new Promise(resolve => socket.once('close', resolve))
        while (!socket.destroyed && written < 100 * 1024 * 1024) {
          written += piece.length
          if (!socket.write(piece)) {
            await Promise.race([closed, new Promise(resolve => socket.once('drain', resolve))])
          }
        }
        return undefined
      },
    }
  }

  it.each([
    ['fields', 'HTTP/1.1 200 OK\r\n', 'X-A: 1\r\n'],
    ['empty fields', 'HTTP/1.1 200 OK\r\n', 'a:\r\n'],
    ['a value', 'HTTP/1.1 200 OK\r\nX-A: ', 'poison'],
    ['a name', 'HTTP/1.1 200 OK\r\n', 'poison'],
    ['a version', 'HTTP/1.', '1'],
  ])('E15 answers 502 for 100 MB of %s, and reads only the beginning', async (_, beginning, again) => {
    const { answer, written } = endlessly(beginning, again)
    await upstream.expectMalformed(answer)
    expect(written()).toBeLessThan(boundBytes)
  })

  it('E15 answers 502 for 100 MB of a reason phrase, and reads only the beginning', async () => {
    const { answer, written } = endlessly('HTTP/1.1 200 ', 'poison')
    await upstream.expectMalformed(answer)
    expect(written()).toBeLessThan(boundBytes)
  })

  it.each(['100 Continue', '102 Processing', '103 Early Hints'])(
    'E15 answers 502 for a flood of %s',
    async status => {
      await upstream.expectMalformed(`HTTP/1.1 ${status}\r\n\r\n`.repeat(10_000) + ok('Content-Length: 0'))
    },
  )

  it('E15 breaks off 100 MB of trailers', async () => {
    const { answer, written } = endlessly(`${ok(chunked)}2\r\nok\r\n0\r\n`, 'X-A: 1\r\n')
    await upstream.expectNotWhole(answer)
    expect(written()).toBeLessThan(boundBytes)
  })

  it.each([
    ['a chunk size', ok(chunked), '0'],
    ['a chunk extension', `${ok(chunked)}2;`, 'poison'],
  ])('E15 breaks off 100 MB of %s', async (_, beginning, again) => {
    const { answer, written } = endlessly(beginning, again)
    await upstream.expectNotWhole(answer)
    expect(written()).toBeLessThan(boundBytes)
  })

  const withInterim = (...lines: string[]): string =>
    `${lines.map(line => `HTTP/1.1 ${line}\r\n\r\n`).join('')}${ok('Content-Length: 2')}ok`

  it('E15 passes early hints on, and other interim answers over', async () => {
    const bytes = withInterim('102 Processing', '103 Early Hints', '199 Odd')
    const { interim } = await upstream.expectWhole(bytes, 200, 'ok')
    expect(interim.map(({ status }) => status)).toEqual([103])
  })

  it('E15 passes over a 100 that nobody waited for (RFC 9110 §15.2)', async () => {
    expect((await upstream.expectWhole(withInterim('100 Continue'), 200, 'ok')).interim).toEqual([])
  })

  it('E15 passes a head of 12 kB on', async () => {
    const fields = Array.from({ length: 90 }, (_, n) => `X-${n}: ${'x'.repeat(120)}`)
    const answer = await upstream.expectWhole(`${ok(...fields, 'Content-Length: 2')}ok`, 200, 'ok')
    for (const [n] of fields.entries()) expect(answer.responses[0]?.header(`x-${n}`)).toHaveLength(120)
  })
})

describe('E16: what is passed on unaltered', () => {
  it('E16 passes a packed body on as it is, with its length and validators', async () => {
    const packed = gzipSync('a text that is packed'.repeat(100))
    const fields = ['Content-Encoding: gzip', 'ETag: "v1-gzip"', 'Vary: Accept-Encoding']
    const bytes = Buffer.concat([latin1(ok(...fields, `Content-Length: ${packed.length}`)), packed])
    const { answer } = await upstream.relay(bytes, hop.get('/orders/1', 'Accept-Encoding: gzip'))
    const [only] = answer.responses
    expect(only?.body).toEqual(packed)
    expect(only?.header('content-length')).toBe(String(packed.length))
    expect([only?.header('content-encoding'), only?.header('etag')]).toEqual(['gzip', '"v1-gzip"'])
    expect(hop.upstream.requests[0]?.headerAll('accept-encoding')).toEqual(['gzip'])
  })

  it('E16 passes a range on, and what answers it', async () => {
    const request = hop.get('/orders/1', 'Range: bytes=2-4', 'If-Range: "v1"')
    const part = 'HTTP/1.1 206 Part\r\nContent-Range: bytes 2-4/9\r\nContent-Length: 3\r\n\r\ncde'
    const answer = await upstream.expectWhole(part, 206, 'cde', request)
    expect(answer.responses[0]?.header('content-range')).toBe('bytes 2-4/9')
    expect(hop.upstream.requests[0]?.headerAll('range')).toEqual(['bytes=2-4'])
    const none = 'HTTP/1.1 416 None\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n'
    await upstream.expectWhole(none, 416, '', request)
  })

  it('E16 passes every byte on, in a body with a length and in chunks', async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, code) => code))
    for (const bytes of [
      Buffer.concat([latin1(ok('Content-Length: 256')), all]),
      Buffer.concat([latin1(`${ok(chunked)}100\r\n`), all, latin1('\r\n0\r\n\r\n')]),
    ]) {
      expect((await upstream.relay(bytes)).answer.responses[0]?.body).toEqual(all)
    }
  })
})
