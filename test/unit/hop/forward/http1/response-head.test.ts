import { describe, expect, it } from 'vitest'
import {
  chunked,
  type ResponseHead,
  readResponseHead,
  readTrailers,
  untilClose,
} from '../../../../../src/hop/forward/http1/response-head.ts'

const head = (...lines: string[]): string => lines.join('\r\n')
const ok = (...fields: string[]): string => head('HTTP/1.1 200 OK', ...fields)

function read(text: string, isHead = false): ResponseHead {
  const found = readResponseHead(text, isHead)
  if (typeof found === 'string') throw new Error(found)
  return found
}

describe('a status line (RFC 9112 §4)', () => {
  it.each([
    ['HTTP/1.1 200 OK', 200, 'OK'],
    ['HTTP/1.1 404 Not Found', 404, 'Not Found'],
    ['HTTP/1.1 200 ', 200, ''],
    ['HTTP/1.1 200', 200, ''],
    ['HTTP/1.1 599 a\tb \xe9', 599, 'a\tb \xe9'],
    ['HTTP/1.1 100 Continue', 100, 'Continue'],
    ['HTTP/1.0 200 OK', 200, 'OK'],
  ])('%j says %i and %j', (line, status, phrase) => {
    expect(read(line)).toMatchObject({ status, phrase, fields: [] })
  })

  it.each([
    '',
    'HTTP/1.1',
    'HTTP/1.1 ',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 2OO OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 600 OK',
    'HTTP/1.1 -20 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 200OK',
    'HTTP/1.1200 OK',
    ' HTTP/1.1 200 OK',
    '\r\nHTTP/1.1 200 OK',
    'http/1.1 200 OK',
    'HTTP/1.2 200 OK',
    'HTTP/1.10 200 OK',
    'HTTP/0.9 200 OK',
    'HTTP/2 200 OK',
    'HTTP/2.0 200 OK',
    'ICY 200 OK',
    'RTSP/1.0 200 OK',
    'GET / HTTP/1.1',
  ])('%j is refused', line => {
    expect(readResponseHead(line, false)).toBe('no HTTP/1.1 status line')
  })

  it.each(['\0', '\x01', '\x0b', '\x1b', '\x7f'])('with the control character %j is refused', character => {
    expect(readResponseHead(`HTTP/1.1 200 O${character}K`, false)).toBe('a control character in the head')
  })
})

describe('field lines (RFC 9112 §5)', () => {
  it('keep their order, their spelling and their repetitions, without the blanks around values', () => {
    const fields = [
      'Set-Cookie: a=1',
      'x-empty:',
      'SET-COOKIE:\t b=2 \t',
      "!#$%&'*+-.^_`|~9: a : b",
      'X: \xe9',
    ]
    expect(read(ok(...fields)).fields).toEqual([
      ...['Set-Cookie', 'a=1', 'x-empty', '', 'SET-COOKIE', 'b=2'],
      ...["!#$%&'*+-.^_`|~9", 'a : b', 'X', '\xe9'],
    ])
  })

  it.each<[string, string, string]>([
    ['without a colon', ok('poison', 'A: b'), 'a line that is no field'],
    ['without a colon, the last one', ok('A: b', 'poison'), 'a line that is no field'],
    ['without a name', ok(': poison'), 'a field name that is no token'],
    ['with a blank before the colon (§5.1)', ok('A : b'), 'a field name that is no token'],
    ['with a blank in the name', ok('A B: c'), 'a field name that is no token'],
    ['with a letter beyond ASCII in the name', ok('A\xe9: b'), 'a field name that is no token'],
    ['that is folded (§5.2)', ok('A: b', ' c: d'), 'a field name that is no token'],
    ['that is folded and has no colon (§5.2)', ok('A: b', '\tc'), 'a line that is no field'],
    ['that is empty', `${ok('A: b')}\r\n`, 'a line that is no field'],
  ])('%s are refused', (_, text, reason) => {
    expect(readResponseHead(text, false)).toBe(reason)
  })

  it.each<[string, string]>([
    ['a bare line feed (§2.2)', 'HTTP/1.1 200 OK\nA: b'],
    ['a bare line feed in a value', ok('A: b\nC: d')],
    ['a bare carriage return in a value (§2.2)', ok('A: b\rC: d')],
    ['a bare carriage return at the end', ok('A: b\r')],
    ['two carriage returns', 'HTTP/1.1 200 OK\r\r\nA: b'],
    ['a carriage return in the status line', 'HTTP/1.1 200 O\rK'],
  ])('%s is refused', (_, text) => {
    expect(readResponseHead(text, false)).toMatch(
      /^a line that does not end with CR LF$|^no HTTP\/1.1 status/,
    )
  })

  it.each(['\0', '\x08', '\x0c', '\x1f', '\x7f'])('a value with %j is refused', character => {
    expect(readResponseHead(ok(`A: b${character}c`), false)).toBe('a control character in the head')
  })
})

describe('the length of a body (RFC 9112 §6)', () => {
  it.each<[string, string[], number]>([
    ['a length', ['Content-Length: 17'], 17],
    ['a length of 0', ['content-length: 0'], 0],
    ['a length with blanks and zeros', ['CONTENT-LENGTH: \t 0017 '], 17],
    ['the longest length', ['Content-Length: 999999999999999'], 999_999_999_999_999],
    ['chunks', ['Transfer-Encoding: chunked'], chunked],
    ['chunks in another spelling', ['transfer-encoding:Chunked '], chunked],
    ['nothing: until the connection closes', ['A: b'], untilClose],
  ])('is known from %s', (_, fields, length) => {
    expect(read(ok(...fields)).bodyLength).toBe(length)
  })

  const badLengths = ['', '+1', '-1', '-0', '0x1', '1.0', '1e1', '1 1', '1,1', '1, 1', '"1"', '1;', 'chunked']
  it.each([...badLengths, '1'.repeat(16), '18446744073709551617'])(
    'a Content-Length of %j is refused',
    value => {
      expect(readResponseHead(ok(`Content-Length: ${value}`), false)).toMatch(/^a Content-Length/)
    },
  )

  const badCodings = [
    '',
    ',chunked',
    'chunked,',
    'chunked, chunked',
    'gzip, chunked',
    'chunked, gzip',
    'gzip',
  ]
  const oddCodings = [
    'chunked\t',
    '\tchunked',
    'identity',
    'xchunked',
    '"chunked"',
    'chunked;q=1',
    'chunked\x85',
  ]
  it.each([...badCodings, ...oddCodings])('a Transfer-Encoding of %j is refused', value => {
    expect(readResponseHead(ok(`Transfer-Encoding: ${value}`), false)).toMatch(/^a Transfer-Encoding/)
  })

  it.each<[string, string]>([
    ['a length twice (§6.3)', ok('Content-Length: 2', 'Content-Length: 3')],
    ['the same length twice (§6.3)', ok('Content-Length: 2', 'content-length: 2')],
    ['a coding twice (§6.1)', ok('Transfer-Encoding: chunked', 'transfer-encoding: chunked')],
    ['a length and a coding (§6.3)', ok('Content-Length: 2', 'Transfer-Encoding: chunked')],
    ['a coding and a length of 0 (§6.3)', ok('Transfer-Encoding: chunked', 'Content-Length: 0')],
    ['a coding in HTTP/1.0 (§6.1)', head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')],
  ])('%s is refused, also where there is no body', (_, text) => {
    expect(typeof readResponseHead(text, false)).toBe('string')
    expect(typeof readResponseHead(text, true)).toBe('string')
    expect(typeof readResponseHead(text.replace('200 OK', '304 Same'), false)).toBe('string')
  })

  it.each<[string, string, boolean]>([
    ['a response to HEAD', ok('Content-Length: 17'), true],
    ['a response to HEAD with chunks', ok('Transfer-Encoding: chunked'), true],
    ['a response to HEAD without a length', ok(), true],
    ['204', head('HTTP/1.1 204 None'), false],
    ['204 with a length', head('HTTP/1.1 204 None', 'Content-Length: 17'), false],
    ['304 with a length', head('HTTP/1.1 304 Same', 'Content-Length: 17'), false],
    ['304 with chunks', head('HTTP/1.1 304 Same', 'Transfer-Encoding: chunked'), false],
    ['103', head('HTTP/1.1 103 Early Hints', 'Link: </a>'), false],
  ])('%s has no body (§6.3)', (_, text, isHead) => {
    expect(read(text, isHead)).toMatchObject({ bodyLength: 0, isPersistent: true })
  })
})

describe('whether the connection goes on (RFC 9112 §9.3)', () => {
  const sized = 'Content-Length: 0'

  it.each<[string, string, boolean]>([
    ['HTTP/1.1', ok(sized), true],
    ['HTTP/1.1 with keep-alive', ok(sized, 'Connection: keep-alive'), true],
    ['HTTP/1.1 with another option', ok(sized, 'Connection: X-Inner, closed'), true],
    ['close', ok(sized, 'Connection: close'), false],
    ['Close among others', ok(sized, 'connection: X-Inner ,\tClose , keep-alive'), false],
    ['close in the second field', ok(sized, 'Connection: keep-alive', 'Connection: close'), false],
    ['close in the first field', ok(sized, 'Connection: close', 'Connection: keep-alive'), false],
    ['HTTP/1.0', head('HTTP/1.0 200 OK', sized), false],
    ['HTTP/1.0 with keep-alive', head('HTTP/1.0 200 OK', sized, 'Connection: keep-alive'), false],
    ['a body that ends with the connection', ok(), false],
  ])('%s', (_, text, isPersistent) => {
    expect(read(text).isPersistent).toBe(isPersistent)
  })

  it.each<[string, number | undefined]>([
    ['timeout=5', 5],
    ['max=100, timeout=5', 5],
    ['Timeout=5; max=100', 5],
    ['timeout=0', 0],
    ['timeout=5.5', undefined],
    ['xtimeout=5', undefined],
    ['timeout=-5', undefined],
    [`timeout=${'9'.repeat(400)}`, undefined],
    ['300', undefined],
  ])('Keep-Alive: %j says %j seconds', (value, seconds) => {
    expect(read(ok(sized, `Keep-Alive: ${value}`)).keepAliveSeconds).toBe(seconds)
  })
})

describe('a trailer section (RFC 9112 §7.1.2)', () => {
  it('keeps fields in order, without the blanks around values', () => {
    expect(readTrailers('A: b\r\nc:\t d \r\nA:\r\n')).toEqual(['A', 'b', 'c', 'd', 'A', ''])
    expect(readTrailers('')).toEqual([])
  })

  it.each<[string, string]>([
    ['a length', 'A: b\r\nContent-Length: 5\r\n'],
    ['a coding', 'transfer-encoding: chunked\r\n'],
    ['a line without a colon', 'poison\r\n'],
    ['a line without a name', ': b\r\n'],
    ['a blank before the colon', 'A : b\r\n'],
    ['a folded line', 'A: b\r\n c: d\r\n'],
    ['a bare line feed', 'A: b\nC: d\r\n'],
    ['a bare carriage return', 'A: b\rC: d\r\n'],
    ['a control character', 'A: \0\r\n'],
  ])('with %s is refused', (_, text) => {
    expect(readTrailers(text)).toBeUndefined()
  })
})
