import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  comparePatterns,
  matchesPath,
  type PathPattern,
  parsePathPattern,
} from '../../../src/model/path-pattern.ts'

function pattern(text: string): PathPattern {
  const parsed = parsePathPattern(text)
  if (!parsed.ok) throw new Error(`${text} ${parsed.error}`)
  return parsed.value
}

describe('parsePathPattern', () => {
  it.each([
    '/',
    '/**',
    '/orders',
    '/orders/',
    '/orders/{id}',
    '/orders/{id}/items/**',
    '/v1/a:b@c,d',
    '/caf%C3%A9',
  ])('reads %s', text => {
    expect(parsePathPattern(text).ok).toBe(true)
  })

  it.each([
    ['', 'must begin with /'],
    ['orders', 'must begin with /'],
    ['/a//b', 'has an empty segment'],
    ['//', 'has an empty segment'],
    ['//**', 'has an empty segment'],
    ['/**/a', 'may use ** as its last segment only, and * nowhere'],
    ['/a/*', 'may use ** as its last segment only, and * nowhere'],
    ['/a*', 'may use ** as its last segment only, and * nowhere'],
    ['/a/{}', 'has a {name} that is not made of letters, digits and _'],
    ['/a/{1x}', 'has a {name} that is not made of letters, digits and _'],
    ['/a/x{id}', 'has a {name} that is not a whole segment'],
    ['/a/{id', 'has a {name} that is not a whole segment'],
    ['/{id}/{id}', 'uses the same {name} twice'],
    ['/a?b', 'has a query or a fragment'],
    ['/a#b', 'has a query or a fragment'],
    ['/a b', 'has a character that a path can hold only as a % escape, or ;'],
    ['/a;x=1', 'has a character that a path can hold only as a % escape, or ;'],
    ['/caf\u00e9', 'has a character that a path can hold only as a % escape, or ;'],
    ['/a\\b', 'has a character that a path can hold only as a % escape, or ;'],
    ['/a%', 'has a character that a path can hold only as a % escape, or ;'],
    ['/a\0', 'has a character that a path can hold only as a % escape, or ;'],
    ...[
      '/a%2Fb',
      '/a%2fb',
      '/a%5C',
      '/a%00',
      '/a%25',
      '/a%3b',
      '/..',
      '/./a',
      '/a./b',
      '/a%20',
      '/%2e%2e/b',
    ].map(text => [text, 'has an escape or a last dot that no request path may have']),
    ['/%c0%ae', 'has % escapes that are not UTF-8'],
  ])('refuses %j, which %s', (text, reason) => {
    expect(parsePathPattern(text)).toEqual({ ok: false, error: reason })
  })
})

describe('matchesPath', () => {
  it.each([
    ['/orders', ['/orders'], ['/', '/orders/', '/orders/1', '/Orders', '/order']],
    ['/orders/', ['/orders/'], ['/orders', '/orders/1']],
    ['/', ['/'], ['/a']],
    ['/**', ['/', '/a', '/a/', '/a/b'], []],
    ['/orders/**', ['/orders', '/orders/', '/orders/1', '/orders/1/items'], ['/', '/ordersx', '/orders2/1']],
    ['/orders/{id}', ['/orders/1', '/orders/**'], ['/orders', '/orders/', '/orders/1/', '/orders/1/items']],
    ['/orders/{id}/**', ['/orders/1', '/orders/1/', '/orders/1/a/b'], ['/orders', '/orders/', '/orders//a']],
  ])('%s takes what it says and nothing else', (text, taken, refused) => {
    expect(taken.filter(path => !matchesPath(pattern(text), path))).toEqual([])
    expect(refused.filter(path => matchesPath(pattern(text), path))).toEqual([])
  })

  it('compares decoded, because upstream decodes: an escaped letter does not lead to another route', () => {
    expect(matchesPath(pattern('/admin'), '/%61dmin')).toBe(true)
    expect(matchesPath(pattern('/users/a@b'), '/users/a%40b')).toBe(true)
    expect(matchesPath(pattern('/%61dmin'), '/admin')).toBe(true)
    expect(matchesPath(pattern('/caf%C3%A9'), '/caf%c3%a9')).toBe(true)
  })
})

const segment = fc.constantFrom('a', 'b', '{x}')
const patterns = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom('', '/', '/**'))
  .map(([parts, end]) => {
    const path = parts.map((part, index) => `/${part.replace('x', `x${index}`)}`).join('')
    return pattern(`${path}${end}` === '' ? '/' : `${path}${end}`)
  })

describe('the order of patterns', () => {
  it.each([
    ['/a/b', '/a/{x}'],
    ['/a/{x}', '/a/**'],
    ['/a', '/a/**'],
    ['/a/{x}', '/{x}/b'],
    ['/a/b/**', '/a/{x}/c'],
    ['/a/{x}/**', '/a/**'],
    ['/', '/**'],
  ])('puts %s before %s', (first, second) => {
    expect(comparePatterns(pattern(first), pattern(second))).toBeLessThan(0)
    expect(comparePatterns(pattern(second), pattern(first))).toBeGreaterThan(0)
  })

  it('is total: antisymmetric and transitive', () => {
    fc.assert(
      fc.property(patterns, patterns, patterns, (a, b, c) => {
        expect(Math.sign(comparePatterns(a, b))).toBe(0 - Math.sign(comparePatterns(b, a)))
        if (comparePatterns(a, b) <= 0 && comparePatterns(b, c) <= 0) {
          expect(comparePatterns(a, c)).toBeLessThanOrEqual(0)
        }
      }),
    )
  })
})
