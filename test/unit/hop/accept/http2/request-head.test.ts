import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readRequestHead, readTrailers } from '../../../../../src/hop/accept/http2/request-head.ts'

const pseudo = [':method', 'GET', ':scheme', 'https', ':path', '/orders', ':authority', 'orders.test']
const read = (...fields: readonly string[]) => readRequestHead([...pseudo, ...fields], 16_384)

describe('a header section of HTTP/2', () => {
  it('becomes one of HTTP/1.1: a request line, Host, and the fields in order', () => {
    expect(read('accept', '*/*', 'x-a', '1', 'x-a', '2')).toEqual({
      method: 'GET',
      target: '/orders',
      fields: ['accept', '*/*', 'x-a', '1', 'x-a', '2', 'Host', 'orders.test'],
      flaw: undefined,
    })
  })

  it('has one cookie', () => {
    const { fields } = read('cookie', 'a=1', 'x-a', '1', 'cookie', 'b=2')
    expect(fields).toEqual(['x-a', '1', 'cookie', 'a=1; b=2', 'Host', 'orders.test'])
  })

  it('keeps every authorization, so that a second one is seen', () => {
    const { fields } = read('authorization', 'Bearer a', 'authorization', 'Bearer b')
    expect(fields.filter(text => text.startsWith('Bearer'))).toEqual(['Bearer a', 'Bearer b'])
  })

  it('keeps a host that is not its authority, so that the two are seen', () => {
    expect(read('host', 'evil.test').fields).toEqual(['Host', 'orders.test', 'Host', 'evil.test'])
    expect(read('host', 'Orders.Test').fields).toEqual(['Host', 'orders.test'])
  })

  it('of a CONNECT has the authority for its target', () => {
    const head = readRequestHead([':method', 'CONNECT', ':authority', 'a:1'], 16_384)
    expect(head).toMatchObject({ method: 'CONNECT', target: 'a:1', flaw: undefined })
  })

  it.each([
    ['x-a', 'a\r\nb'],
    ['x-a', 'a\nb'],
    ['x-a', 'a\0'],
    ['x-a', ' a'],
    ['x-a', 'a\t'],
    ['X-A', 'a'],
    ['x a', 'a'],
    ['x-a:', 'a'],
    ['', 'a'],
    [':protocol', 'websocket'],
    ['connection', 'close'],
    ['transfer-encoding', 'chunked'],
  ])('with the field %j: %j is malformed', (name, value) => {
    expect(read(name, value).flaw).toMatchObject({ kind: 'malformed' })
  })

  it.each([
    [[':method', 'get', ':scheme', 'https', ':path', '/', ':authority', 'a']],
    [[':method', 'GET', ':scheme', 'ftp', ':path', '/', ':authority', 'a']],
    [[':method', 'GET', ':path', '/', ':authority', 'a']],
    [[':scheme', 'https', ':path', '/', ':authority', 'a']],
  ])('of %j is malformed', raw => {
    expect(readRequestHead(raw, 16_384).flaw).toMatchObject({ kind: 'malformed' })
  })

  it('is measured as RFC 9113 measures it', () => {
    const bytes = pseudo.join('').length + 4 * 32
    expect(readRequestHead(pseudo, bytes).flaw).toBeUndefined()
    expect(readRequestHead(pseudo, bytes - 1).flaw).toEqual({
      kind: 'too large',
      detail: `a header section of ${bytes} bytes`,
    })
  })

  it('without a flaw has nothing that would end a line, whatever it was made of', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab:-\r\n\0\t \x7f\xe9'), maxLength: 6 })
    fc.assert(
      fc.property(fc.array(text, { maxLength: 12 }), texts => {
        const { fields, flaw } = read(...texts.slice(0, texts.length - (texts.length % 2)))
        if (flaw !== undefined) return
        for (const [index, field] of fields.entries()) {
          expect(field).not.toMatch(/[\r\n\0\x7f]|^[ \t]|[ \t]$/)
          if (index % 2 === 0) expect(field).toMatch(/^[a-z-]+$|^Host$/)
        }
      }),
    )
  })
})

it('trailers lose what is malformed, and pseudo-header fields', () => {
  const raw = ['x-a', '1', 'x-b', 'a\r\nb', 'X-C', '1', ':path', '/', 'x-d', ' 1', 'x-e', '']
  expect(readTrailers(raw)).toEqual(['x-a', '1', 'x-e', ''])
})
