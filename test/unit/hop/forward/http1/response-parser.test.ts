import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ResponseParser } from '../../../../../src/hop/forward/http1/response-parser.ts'
import {
  KeptResponse,
  latin1,
  type Reading,
  readByNode,
  readByUs,
  splitAt,
} from '../../../../support/response-reading.ts'

const ok = (...fields: string[]): string =>
  `HTTP/1.1 200 OK\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`
const whole = (text: string, isHead = false) => readByUs([latin1(text)], isHead)
const byteByByte = (text: string) => readByUs(splitAt(latin1(text), latin1(text).keys()))

describe('a response', () => {
  it.each<[string, string, Partial<Reading & { rest: number }>]>([
    ['with a length (RFC 9112 §6.2)', `${ok('Content-Length: 5')}hello`, { body: 'hello' }],
    ['with a length of 0', ok('Content-Length: 0'), { body: '' }],
    [
      'in chunks (RFC 9112 §7.1)',
      `${ok('Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`,
      { body: 'hello', trailers: ['X-Sum', '1'] },
    ],
    ['that ends with its connection (RFC 9112 §6.3)', `${ok('A: b')}hello`, { body: 'hello' }],
    ['that ends with its connection and is empty', ok('A: b'), { body: '' }],
    ['of status 204', 'HTTP/1.1 204 None\r\n\r\n', { status: 204, body: '' }],
    ['of status 304 with a length', 'HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n', { status: 304 }],
    [
      'behind interim ones, of which 100 is passed over (RFC 9110 §15.2)',
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('Content-Length: 2')}ok`,
      { interim: [103], body: 'ok' },
    ],
    ['with bytes behind it', `${ok('Content-Length: 2')}okHTTP/1.1 `, { body: 'ok', rest: 9 }],
    ['without a body and with bytes behind it', `${ok('Content-Length: 0')}\r\n`, { body: '', rest: 2 }],
    [
      'of chunks with bytes behind them',
      `${ok('Transfer-Encoding: chunked')}0\r\n\r\n0`,
      { body: '', rest: 1 },
    ],
  ])('%s is read, in one piece and byte by byte', (_, text, expected) => {
    expect(whole(text)).toMatchObject({ outcome: 'whole', ...expected })
    expect(byteByByte(text)).toMatchObject({ outcome: 'whole', ...expected })
  })

  it('to HEAD has no body, whatever it says (RFC 9112 §6.3)', () => {
    for (const field of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'A: b']) {
      expect(whole(ok(field), true)).toMatchObject({ outcome: 'whole', body: '', rest: 0 })
      expect(whole(`${ok(field)}hello`, true)).toMatchObject({ outcome: 'whole', body: '', rest: 5 })
    }
  })

  it.each<[string, string]>([
    ['in its status line', 'HTTP/1.1 200'],
    ['before its empty line', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'],
    ['behind an interim response', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['before its body', ok('Content-Length: 5')],
    ['before the last byte of its body', `${ok('Content-Length: 5')}hell`],
    ['before its chunks', ok('Transfer-Encoding: chunked')],
    ['between its chunks', `${ok('Transfer-Encoding: chunked')}5\r\nhello\r\n`],
    ['before the end of its trailers', `${ok('Transfer-Encoding: chunked')}0\r\nA: b\r\n`],
    ['before it has begun', ''],
  ])('whose connection ends %s is broken (RFC 9112 §8)', (_, text) => {
    expect(whole(text).outcome).toBe('broken')
    expect(byteByByte(text).outcome).toBe('broken')
  })
})

describe('what is no response', () => {
  it.each<[string, string, RegExp]>([
    ['another protocol', '220 mail.test ESMTP\r\n', /no head/],
    ['the greeting of an SSH server', 'SSH-2.0-OpenSSH_9.9\r\n', /no head/],
    ['a body without a head, as in HTTP/0.9', '<html>', /no head/],
    ['the alert of a TLS server', '\x15\x03\x03\x00\x02\x02\x0a', /no head/],
    ['the settings of HTTP/2', '\x00\x00\x00\x04\x00\x00\x00\x00\x00', /no head/],
    ['HTTP/2 in the status line', 'HTTP/2', /no head/],
    ['an empty line first', '\r\n', /no head/],
    ['bare line feeds (RFC 9112 §2.2)', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', /no head/],
    ['a bare carriage return (RFC 9112 §2.2)', 'HTTP/1.1 200 OK\rA', /no head/],
    ['a control character', 'HTTP/1.1 200 O\0', /no head/],
    ['a switch of protocols (RFC 9110 §15.2.2)', 'HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n', /protocol/],
    ['an interim response of HTTP/1.0', 'HTTP/1.0 103 Hints\r\n\r\n', /the last one/],
    ['an interim response that closes', 'HTTP/1.1 103 H\r\nConnection: close\r\n\r\n', /the last one/],
    ['an interim response with a body', `HTTP/1.1 103 H\r\nContent-Length: 2\r\n\r\nok`, /no head/],
  ])('%s is refused without waiting for more', (_, text, reason) => {
    expect(whole(text)).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(reason) })
    expect(byteByByte(text)).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(reason) })
  })

  it('a 33rd interim response is refused; 32 are passed over', () => {
    const interim = 'HTTP/1.1 102 Processing\r\n\r\n'
    expect(whole(interim.repeat(32) + ok('Content-Length: 0')).outcome).toBe('whole')
    expect(whole(interim.repeat(33))).toMatchObject({
      outcome: 'refused',
      reason: 'too many interim responses',
    })
    expect(byteByByte(interim.repeat(33)).outcome).toBe('refused')
  })

  it('a head of more than 64 KiB is refused, in any pieces, with an end or without', () => {
    const text = (bytes: number): Buffer => latin1(ok(`A: ${'b'.repeat(bytes - 20)}`, 'Content-Length: 0'))
    const pieces = (bytes: Buffer, size: number): Buffer[] =>
      splitAt(
        bytes,
        Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => index * size),
      )
    for (const size of [1, 1_000, 65_536]) {
      expect(readByUs(pieces(text(65_500), size)).outcome).toBe('whole')
      expect(readByUs(pieces(text(65_600), size))).toMatchObject({ reason: 'a head that is too large' })
      const endless = latin1(`HTTP/1.1 200 ${'x'.repeat(70_000)}`)
      expect(readByUs(pieces(endless, size))).toMatchObject({ reason: 'a head that is too large' })
    }
  })
})

describe('a parser', () => {
  it('reads one response after the other', () => {
    const parser = new ResponseParser()
    const texts = [
      `${ok('Transfer-Encoding: chunked')}2\r\nok\r\n0\r\nA: b\r\n\r\n`,
      'HTTP/1.1 204 None\r\n\r\n',
      `${ok('Content-Length: 2', 'Connection: close')}ok`,
    ]
    for (const text of texts) {
      const kept = new KeptResponse()
      parser.begin(kept, false)
      const bytes = latin1(text)
      expect(parser.read(bytes, bytes.length)).toBe('end')
      expect(parser.trailers).toEqual(text.includes('A: b') ? ['A', 'b'] : [])
      expect(parser.head?.isPersistent).toBe(!text.includes('close'))
      parser.stop()
      expect([parser.head, parser.trailers]).toEqual([undefined, []])
    }
  })

  it.each(['onInformation', 'onHead', 'onData'] as const)(
    'that %s stops hands nothing over any more',
    last => {
      const parser = new ResponseParser()
      const calls: string[] = []
      const note = (name: string) => () => {
        calls.push(name)
        if (name === last) parser.stop()
      }
      const handler = Object.assign(new KeptResponse(), {
        onInformation: note('onInformation'),
        onHead: note('onHead'),
        onData: note('onData'),
      })
      parser.begin(handler, false)
      const hints = last === 'onInformation' ? 'HTTP/1.1 103 Hints\r\n\r\n'.repeat(2) : ''
      const bytes = latin1(`${hints}${ok('Transfer-Encoding: chunked')}${'2\r\nok\r\n'.repeat(3)}`)
      for (const piece of [bytes, latin1('2\r\nok\r\n0\r\n\r\n')]) parser.read(piece, piece.length)
      expect(calls).toEqual(last === 'onData' ? ['onHead', 'onData'] : [last])
    },
  )

  it('knows when it is within a head', () => {
    const parser = new ResponseParser()
    const steps: [string, boolean][] = [
      ['HTTP/1.1 103', true],
      [' H\r\n\r\n', false],
      ['HTTP', true],
      ['/1.1 200 OK\r\n', true],
      ['\r\n', false],
      ['body', false],
    ]
    parser.begin(new KeptResponse(), false)
    for (const [text, isWithinHead] of steps) {
      parser.read(latin1(text), text.length)
      expect([text, parser.isWithinHead]).toEqual([text, isWithinHead])
    }
  })
})

/** A response that HTTP allows, and what it says. */
interface Sent {
  readonly bytes: Buffer
  readonly expected: Partial<Reading>
}

const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/)
const text = fc.stringMatching(/^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/)
const aboutFraming = /^(?:content-length|transfer-encoding|connection|keep-alive)$/i
const field = fc.tuple(
  token.filter(name => !aboutFraming.test(name)),
  text,
)
const fieldLines = (fields: readonly (readonly string[])[]): string =>
  fields.map(([name, value]) => `${name}:${value === '' ? '' : ' '}${value}\r\n`).join('')
const interim = fc.tuple(fc.constantFrom(102, 103, 199), fc.array(field, { maxLength: 2 }))
const data = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))

const aResponse: fc.Arbitrary<Sent> = fc
  .record({
    before: fc.array(interim, { maxLength: 3 }),
    status: fc.integer({ min: 200, max: 599 }).filter(status => status !== 204 && status !== 304),
    phrase: text,
    fields: fc.array(field, { maxLength: 5 }),
    chunks: fc.array(data, { maxLength: 4 }),
    trailers: fc.array(field, { maxLength: 3 }),
    framing: fc.constantFrom('length', 'chunks', 'close'),
  })
  .map(({ before, status, phrase, fields, chunks, trailers, framing }) => {
    const body = Buffer.concat(chunks)
    const framingFields = {
      length: [['Content-Length', String(body.length)]],
      chunks: [['Transfer-Encoding', 'chunked']],
      close: [],
    }[framing]
    const all = [...fields, ...framingFields]
    const heads = before.map(([code, own]) => `HTTP/1.1 ${code} Interim\r\n${fieldLines(own)}\r\n`).join('')
    const coded = chunks
      .filter(({ length }) => length > 0)
      .flatMap(chunk => [latin1(`${chunk.length.toString(16)}\r\n`), chunk, latin1('\r\n')])
    const end = latin1(`0\r\n${fieldLines(trailers)}\r\n`)
    return {
      bytes: Buffer.concat([
        latin1(`${heads}HTTP/1.1 ${status} ${phrase}\r\n${fieldLines(all)}\r\n`),
        ...(framing === 'chunks' ? [...coded, end] : [body]),
      ]),
      expected: {
        outcome: 'whole',
        interim: before.map(([code]) => code),
        status,
        phrase,
        fields: all.flat(),
        body: body.toString('latin1'),
        trailers: framing === 'chunks' ? trailers.flat() : [],
      },
    }
  })

describe('any response', () => {
  it('is read as it was sent, and any split of it into reads gives the same', () => {
    fc.assert(
      fc.property(aResponse, fc.array(fc.nat(2_000), { maxLength: 50 }), ({ bytes, expected }, cuts) => {
        expect(readByUs([bytes])).toMatchObject({ ...expected, rest: 0 })
        expect(readByUs(splitAt(bytes, cuts))).toEqual(readByUs([bytes]))
      }),
      { numRuns: 500 },
    )
  })

  it('whose connection ends too early is never whole, unless only the connection ends it', () => {
    fc.assert(
      fc.property(aResponse, fc.nat(), ({ bytes, expected }, at) => {
        const cut = at % bytes.length
        const { outcome, status } = readByUs([bytes.subarray(0, cut)].filter(({ length }) => length > 0))
        const names = expected.fields?.filter((_, index) => index % 2 === 0) ?? []
        if (names.some(name => aboutFraming.test(name))) expect(outcome).toBe('broken')
        else expect(outcome).toBe(status === undefined ? 'broken' : 'whole')
      }),
    )
  })
})

describe('garbage', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }).map(bytes => Buffer.from(bytes)),
      fc
        .constantFrom(
          'HTTP/1.1 200 OK\r\n',
          'HTTP/1.1 103 H\r\n\r\n',
          'Content-Length: 5\r\n',
          'Transfer-Encoding: chunked\r\n',
          '\r\n',
          '5\r\n',
          'hello',
          '0\r\n\r\n',
        )
        .map(latin1),
    ),
    { minLength: 1, maxLength: 12 },
  )

  it('never throws, and always ends in one way', () => {
    fc.assert(
      fc.property(pieces, fc.boolean(), (bytes, isHead) => {
        expect(readByUs(bytes, isHead).outcome).toMatch(/^(?:whole|broken|refused)$/)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe("beside Node's own parser", () => {
  /** Compares the two on one response. @returns how they differ, in a few words */
  async function compare(bytes: Buffer, isHead: boolean): Promise<string | undefined> {
    const { rest, ...us } = readByUs([bytes], isHead)
    const node = await readByNode(rest > 0 ? bytes.subarray(0, -rest) : bytes, isHead)
    if (us.outcome === 'whole') {
      if (node.outcome !== 'whole') return `Node does not take it: ${node.reason ?? node.outcome}`
      expect(us).toEqual(node)
    }
    if (us.outcome === 'broken') expect(node.outcome).not.toBe('whole')
    return us.outcome === 'refused' && node.outcome !== 'refused' ? us.reason : undefined
  }

  const chunks = '2\r\nok\r\n0\r\n\r\n'
  const isChunked = 'Transfer-Encoding: chunked'

  /** All that Node takes and we refuse, each with its reason. Nothing is taken that Node refuses. */
  const stricter: readonly [what: string, text: string, reason: string][] = [
    [
      'a tab behind chunked, which Node overlooks',
      `${ok('Transfer-Encoding: chunked\t')}${chunks}`,
      'a Transfer-Encoding other than one chunked',
    ],
    ['another coding', `${ok('Transfer-Encoding: gzip')}ok`, 'a Transfer-Encoding other than one chunked'],
    ['two codings', `${ok(isChunked, isChunked)}${chunks}`, 'a Transfer-Encoding other than one chunked'],
    [
      'a list of codings',
      `${ok('Transfer-Encoding: gzip, chunked')}${chunks}`,
      'a Transfer-Encoding other than one chunked',
    ],
    [
      'chunks in HTTP/1.0',
      `HTTP/1.0 200 OK\r\n${isChunked}\r\n\r\n${chunks}`,
      'a Transfer-Encoding other than one chunked',
    ],
    ['a control character in the phrase', 'HTTP/1.1 200 O\x01K\r\n\r\n', 'a control character in the head'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n', 'no HTTP/1.1 status line'],
    ['a status above 599', 'HTTP/1.1 600 OK\r\n\r\n', 'no HTTP/1.1 status line'],
    ['another version', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n', 'no HTTP/1.1 status line'],
    ['an older version', 'HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n', 'no HTTP/1.1 status line'],
    ['a line end first', `\r\n${ok('Content-Length: 0')}`, 'no HTTP/1.1 status line'],
    ['a 101 that switches nothing', `HTTP/1.1 101 S\r\n\r\n`, 'a switch to a protocol that nobody asked for'],
    [
      'an extension without a name',
      `${ok(isChunked)}2;=a\r\nok\r\n0\r\n\r\n`,
      'a body that is not chunked as it says',
    ],
    [
      'an extension without a value',
      `${ok(isChunked)}2;a=\r\nok\r\n0\r\n\r\n`,
      'a body that is not chunked as it says',
    ],
    [
      'a chunk size of twelve digits',
      `${ok(isChunked)}000000000002\r\nok\r\n0\r\n\r\n`,
      'a body that is not chunked as it says',
    ],
    [
      '33 interim responses',
      `${'HTTP/1.1 102 P\r\n\r\n'.repeat(33)}${ok('Content-Length: 0')}`,
      'too many interim responses',
    ],
  ]
  const documented = new Set(stricter.map(([, , reason]) => reason))
  // Node reads on, as long as what it has so far could become a head.
  documented.add('no head of an HTTP/1.1 response')

  it.each(stricter)('refuses %s, which Node takes', async (_, text, reason) => {
    expect(await compare(latin1(text), false)).toBe(reason)
  })

  it('takes what Node takes, and reads the same in it', async () => {
    await fc.assert(
      fc.asyncProperty(aResponse, async ({ bytes }) => {
        expect(await compare(bytes, false)).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  it('takes nothing that Node refuses, and is stricter only where that is documented', async () => {
    const seeds = [
      `${ok('Content-Length: 2')}ok`,
      `${ok(isChunked)}2;a=b\r\nok\r\n0;c="d"\r\nX-A: b\r\n\r\n`,
      `${ok('X: y')}body`,
      `HTTP/1.1 103 H\r\nL: 1\r\n\r\n${ok('Content-Length: 2', 'Connection: keep-alive')}ok`,
      'HTTP/1.0 200 OK\r\nContent-Length: 1\r\nKeep-Alive: timeout=5\r\n\r\na',
      'HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n',
      `${ok('Connection: Upgrade', 'Upgrade: h2c', 'Content-Length: 2')}ok`,
      ok('A:', 'B: \t c \t', 'Content-Length: 0'),
    ]
    const odd = ['\r', '\n', '\r\n', ' ', '\t', ':', ';', ',', '=', '"', '0', '1', 'a', 'F', '-', '+', '.']
    const control = ['\0', '\x01', '\x0b', '\x7f', '\x80', '\xff']
    const lines = ['Content-Length: 2', isChunked, 'Connection: close', 'X: 1', 'Trailer: A', 'Upgrade: x']
    const change = fc.record({
      at: fc.nat(200),
      removed: fc.integer({ min: 0, max: 2 }),
      put: fc.constantFrom('', ...odd, ...control, 'chunked', ...lines.map(line => `${line}\r\n`)),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (seed, changes, isHead) => {
          let mutant = seed
          for (const { at, removed, put } of changes) {
            const place = at % mutant.length
            mutant = mutant.slice(0, place) + put + mutant.slice(place + removed)
          }
          const difference = await compare(latin1(mutant), isHead)
          if (difference !== undefined) expect(documented).toContain(difference)
        },
      ),
      { numRuns: 3_000 },
    )
  }, 60_000)
})
