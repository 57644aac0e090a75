import { describe, expect, it } from 'vitest'
import { requestFields, trailerFields } from '../../../../../src/hop/forward/http2/request-fields.ts'

const fieldsOf = (fields: readonly string[], acceptsTrailers = false, acceptedBytes = Infinity) =>
  requestFields(
    { method: 'PUT', target: '/a?b', fields, body: undefined, acceptsTrailers, announcesTrailers: false },
    'https',
    acceptedBytes,
  )

describe('requestFields', () => {
  it('puts pseudo-header fields first, and Host among them', () => {
    expect(fieldsOf(['Accept', '*/*', 'HOST', 'orders.test', 'X-A', '1', 'x-a', '2'])).toEqual({
      ok: true,
      value: [
        ...[':method', 'PUT', ':scheme', 'https', ':authority', 'orders.test', ':path', '/a?b'],
        ...['accept', '*/*', 'x-a', '1', 'x-a', '2'],
      ],
    })
  })

  it.each([
    'Connection',
    'keep-alive',
    'Proxy-Connection',
    'TE',
    'Transfer-Encoding',
    'UPGRADE',
    'HTTP2-Settings',
  ])('leaves %s out', name => {
    const fields = fieldsOf(['Host', 'a', name, 'x', 'X-A', '1'])
    expect(fields.ok && fields.value.slice(8)).toEqual(['x-a', '1'])
  })

  it('says te: trailers for who takes them, whatever the caller wrote', () => {
    const fields = fieldsOf(['Host', 'a', 'TE', 'gzip'], true)
    expect(fields.ok && fields.value.slice(8)).toEqual(['te', 'trailers'])
  })

  it.each(['a\nb', 'a\rb', 'a\0b', '\0x-admin\x001\0'])('refuses the value %j', value => {
    expect(fieldsOf(['Host', 'a', 'X-A', value])).toMatchObject({ ok: false, error: { code: 'internal' } })
    expect(fieldsOf(['Host', value])).toMatchObject({ ok: false, error: { code: 'internal' } })
  })

  it('refuses what upstream does not take, and what ends connections of many', () => {
    const tooLarge = { ok: false, error: { code: 'request.header_too_large' } }
    const long = ['Host', 'a', 'X-A', 'x'.repeat(1_000)]
    expect(fieldsOf(long, false, 1_000)).toMatchObject(tooLarge)
    expect(fieldsOf(long, false, 1_300)).toMatchObject({ ok: true })
    expect(fieldsOf(['Host', 'a', 'X-A', 'x'.repeat(65_001)])).toMatchObject(tooLarge)
    expect(
      fieldsOf(['Host', 'a', ...Array.from({ length: 14 }, () => ['X-A', 'x'.repeat(10_000)]).flat()]),
    ).toMatchObject(tooLarge)
  })

  it('is not confused by names that objects have', () => {
    const fields = fieldsOf(['Host', 'a', '__proto__', 'x', 'constructor', 'y'])
    expect(fields.ok && fields.value.slice(8)).toEqual(['__proto__', 'x', 'constructor', 'y'])
  })
})

describe('trailerFields', () => {
  it('groups values by lower-case name, and leaves out what holds a line end', () => {
    const fields = trailerFields(['X-Sum', '1', 'x-sum', '2', '__proto__', 'x', 'X-Bad', 'a\r\nb'])
    expect(Object.entries(fields)).toEqual([
      ['x-sum', ['1', '2']],
      ['__proto__', ['x']],
    ])
  })
})
