import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkedDecoder } from '../../../../../src/hop/forward/http1/chunked-decoder.ts'
import { latin1, splitAt } from '../../../../support/response-reading.ts'

interface Decoded {
  readonly data: string
  readonly trailers: readonly string[]
  /** Pieces that were handed over. */
  readonly pieces: number
  /** What was behind the end; undefined when there was no end. */
  readonly rest: string | undefined
  readonly isMalformed: boolean
}

/** Reads the pieces one after the other into the middle of one buffer, which holds other bytes around them. */
function decode(...texts: readonly (string | Buffer)[]): Decoded {
  const decoder = new ChunkedDecoder()
  const buffer = Buffer.alloc(70_000)
  const start = 7
  let data = ''
  let pieces = 0
  for (const [index, text] of texts.entries()) {
    buffer.fill('0\r\n\r\n')
    const end = start + latin1(text.toString('latin1')).copy(buffer, start)
    const at = decoder.decode(buffer, start, end, {
      onData(chunk) {
        expect(chunk.length).toBeGreaterThan(0)
        data += chunk.toString('latin1')
        pieces += 1
      },
    })
    if (at === -1) return { data, trailers: [], pieces, rest: undefined, isMalformed: true }
    if (at > end) continue
    const behind = texts.slice(index + 1).map(later => later.toString('latin1'))
    const rest = buffer.toString('latin1', at, end) + behind.join('')
    return { data, trailers: decoder.trailers, pieces, rest, isMalformed: false }
  }
  return { data, trailers: [], pieces, rest: undefined, isMalformed: false }
}

describe('a chunked body (RFC 9112 §7.1)', () => {
  it.each<[string, string, string]>([
    ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['no chunk', '0\r\n\r\n', ''],
    ['several chunks', '1\r\nh\r\n4\r\nello\r\n0\r\n\r\n', 'hello'],
    ['a size in upper case', 'A\r\n0123456789\r\n0\r\n\r\n', '0123456789'],
    ['a size in lower case', 'a\r\n0123456789\r\n0\r\n\r\n', '0123456789'],
    ['a size with zeros', '00000000005\r\nhello\r\n000\r\n\r\n', 'hello'],
    ['data that looks like framing', '9\r\n0\r\n\r\n5\r\n\r\r\n0\r\n\r\n', '0\r\n\r\n5\r\n\r'],
    ['an extension (§7.1.1)', '5;a\r\nhello\r\n0;b\r\n\r\n', 'hello'],
    ['an extension with a value (§7.1.1)', '5;a=b;c=d\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['an extension in quotes (§7.1.1)', '5;a="b; \\"c\\" \xe9\t"\r\nhello\r\n0\r\n\r\n', 'hello'],
  ])('with %s is decoded', (_, text, data) => {
    expect(decode(text)).toMatchObject({ data, trailers: [], rest: '' })
  })

  it.each<[string, string]>([
    ['no size', '\r\nhello\r\n'],
    ['no size before an extension', ';a\r\nhello\r\n'],
    ['a sign', '+5\r\nhello\r\n'],
    ['another sign', '-5\r\nhello\r\n'],
    ['a prefix', '0x5\r\nhello\r\n'],
    ['a letter too many', '5g\r\nhello\r\n'],
    ['a blank before the size', ' 5\r\nhello\r\n'],
    ['a blank behind the size', '5 \r\nhello\r\n'],
    ['a blank before an extension', '5 ;a\r\nhello\r\n'],
    ['a blank in an extension', '5;a b\r\nhello\r\n'],
    ['an empty extension', '5;\r\nhello\r\n'],
    ['two semicolons', '5;;a\r\nhello\r\n'],
    ['an extension without a value', '5;a=\r\nhello\r\n'],
    ['quotes that stay open', '5;a="b\r\nhello\r\n'],
    ['a control character in an extension', '5;a\x01\r\nhello\r\n'],
    ['twelve digits', '000000000005\r\nhello\r\n'],
    ['a size of 2^64 + 5', '10000000000000005\r\nhello\r\n'],
    ['a bare line feed behind the size', '5\nhello\r\n'],
    ['a bare carriage return behind the size', '5\rhello\r\n'],
    ['a bare line feed behind an extension', '5;a\nhello\r\n'],
    ['a line feed in an extension', '5;a\nb\r\nhello\r\n'],
    ['nothing behind the data', '5\r\nhello0\r\n'],
    ['a bare line feed behind the data', '5\r\nhello\n0\r\n'],
    ['a bare carriage return behind the data', '5\r\nhello\r0\r\n'],
    ['data longer than its size', '5\r\nhello!\r\n0\r\n'],
    ['a length among the trailers (RFC 9110 §6.5.1)', '0\r\nContent-Length: 5\r\n\r\n'],
    ['a trailer without a colon', '0\r\npoison\r\n\r\n'],
    ['a trailer that ends with a bare line feed', '0\r\nA: b\n\r\n'],
    ['a bare line feed instead of the last line', '0\r\n\n'],
    ['a bare carriage return in the last line', '0\r\n\r0\r\n'],
  ])('with %s is refused, and is so in any pieces', (_, text) => {
    expect(decode(`${text}0\r\n\r\n`)).toMatchObject({ isMalformed: true, data: '' })
    expect(decode(`4\r\ngood\r\n${text}0\r\n\r\n`)).toMatchObject({ isMalformed: true, data: '' })
    const bytes = latin1(`${text}0\r\n\r\n`)
    expect(decode(...splitAt(bytes, bytes.keys())).isMalformed).toBe(true)
  })

  it('brings its trailers, and ends behind them', () => {
    const text = '2\r\nok\r\n0\r\nX-Sum: 42\r\nx-more:  a \r\n\r\nHTTP/1.1 200 OK'
    const trailers = ['X-Sum', '42', 'x-more', 'a']
    expect(decode(text)).toMatchObject({ data: 'ok', trailers, rest: 'HTTP/1.1 200 OK' })
  })

  it('goes on where it stopped', () => {
    for (const text of [
      '5',
      '5\r',
      '5\r\n',
      '5\r\nhel',
      '5\r\nhello',
      '5\r\nhello\r',
      '0\r\n',
      '0\r\nA: b\r\n\r',
    ]) {
      expect(decode(text)).toMatchObject({ rest: undefined, isMalformed: false })
    }
  })

  it('of many small chunks is handed over as one piece for each read', () => {
    const text = `${'1\r\nx\r\n'.repeat(10_000)}0\r\n\r\n`
    expect(decode(text)).toMatchObject({ data: 'x'.repeat(10_000), pieces: 1 })
    expect(decode(text.slice(0, 30_001), text.slice(30_001))).toMatchObject({ pieces: 2 })
  })

  it('may have trailers of 16 KiB and no more', () => {
    const withTrailer = (bytes: number): string => `0\r\nA: ${'b'.repeat(bytes - 5)}\r\n\r\n`
    expect(decode(withTrailer(16_384)).trailers[1]).toHaveLength(16_379)
    expect(decode(withTrailer(16_385)).isMalformed).toBe(true)
    const many = `0\r\n${'A: b\r\n'.repeat(3_000)}\r\n`
    expect(decode(many).isMalformed).toBe(true)
    expect(decode(...splitAt(latin1(many), latin1(many).keys())).isMalformed).toBe(true)
    expect(decode(`0\r\n${'x'.repeat(20_000)}`).isMalformed).toBe(true)
  })

  it('may have extensions of 16 KiB in all its chunks together and no more', () => {
    const extended = `1;${'a'.repeat(4_093)}\r\nx\r\n`
    expect(decode(`${extended.repeat(3)}0\r\n\r\n`).data).toBe('xxx')
    expect(decode(`${extended.repeat(4)}1;a\r\nx\r\n`).isMalformed).toBe(true)
    expect(decode(`1;${'a'.repeat(20_000)}`).isMalformed).toBe(true)
  })

  it('is the same in any chunks and any pieces', () => {
    const field = fc.tuple(fc.constantFrom('X-Sum', 'x-more', 'Grpc-Status'), fc.constantFrom('0', 'a b', ''))
    const chunk = fc.uint8Array({ minLength: 1, maxLength: 60 }).map(bytes => Buffer.from(bytes))
    const extension = fc.constantFrom('', ';a', ';a=b', ';a="b;\\"c"')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(chunk, extension), { maxLength: 8 }),
        fc.array(field, { maxLength: 3 }),
        fc.array(fc.nat(1_000), { maxLength: 40 }),
        (chunks, fields, cuts) => {
          const bytes = Buffer.concat([
            ...chunks.flatMap(([data, extra]) => [
              latin1(`${data.length.toString(16)}${extra}\r\n`),
              data,
              latin1('\r\n'),
            ]),
            latin1(`0\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\nrest`),
          ])
          const decoded = decode(...splitAt(bytes, cuts))
          expect(decoded).toMatchObject({ trailers: fields.flat(), rest: 'rest', isMalformed: false })
          expect(decoded.data).toBe(Buffer.concat(chunks.map(([data]) => data)).toString('latin1'))
        },
      ),
    )
  })
})
