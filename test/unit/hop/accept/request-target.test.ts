import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasTokenInQuery, readRequestTarget } from '../../../../src/hop/accept/request-target.ts'
import { createRouteTable } from '../../../../src/hop/accept/route-table.ts'
import type { Route } from '../../../../src/model/route.ts'
import { areaOf, oddTargets, pathReaders } from '../../../support/path-readers.ts'

const read = (target: string) => readRequestTarget(target, 'orders.test')

describe('readRequestTarget', () => {
  it.each([
    '/',
    '/orders/17',
    '/orders/17?a=1&b=%2F..%2F',
    '/orders/caf%C3%A9/',
    "/a-b._~!$&'()*+,=:@/c",
    '/.well-known/jwks.json',
    '/a..b/...c',
    '/a%EF%BC%8Eb/%E3%81%AA%E3%81%9C%EF%BC%9F',
    '/cafe%CC%81',
    '/search?q=a?b/c&r={x}|"y"^`<z>\\[]',
  ])('takes %s as it is', target => {
    const query = target.indexOf('?')
    expect(read(target)).toEqual({ target, path: query === -1 ? target : target.slice(0, query) })
  })

  it.each([
    ...[
      '/public/../admin',
      '/public/./admin',
      '/..',
      '/.',
      '/public/%2e%2e/admin',
      '/public/.%2e/admin',
      '/%2E%2E',
    ],
    ...['/public/..%2fadmin', '/public/..%2Fadmin', '/public%5c..%5cadmin', '/public\\..\\admin', '/a..\\b'],
    ...['//admin', '/public//../admin', '///', '/public//admin', '//evil.test/x'],
    ...['/public/..;/admin', '/admin;x=1', '/;/admin', '/admin%3bx=1'],
    ...[
      '/admin%00',
      '/admin%09',
      '/admin%0a',
      '/admin%0D%0Ax',
      '/admin%7f',
      '/admin%20',
      '/admin.',
      '/admin./x',
    ],
    ...[
      '/public/%252e%252e/admin',
      '/%25%32%65',
      '/%c0%ae%c0%ae/admin',
      '/%e0%80%af',
      '/%zz',
      '/%',
      '/%u002e',
      '/%f',
    ],
    ...['/public#/../admin', '/admin%23x', '/public%3f/admin', '/a?b#c', '/．．／admin', '/caf\u00e9'],
    ...[
      'admin',
      '@evil',
      '*',
      '',
      'http://other.test/admin',
      'https://orders.test@evil/admin',
      'ftp://orders.test/',
    ],
    ...[
      '/public/%EF%BC%8E%EF%BC%8E/admin',
      '/public/%EF%BC%8E./admin',
      '/public/%E2%80%A5/admin',
      '/public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin',
      '/public%EF%BC%8Fadmin',
      '/public/a%EF%BC%BCb',
      '/%EF%BC%8Fadmin',
      '/admin%E3%80%80',
      '/admin%EF%BC%8E',
      '/%E2%84%80',
    ],
    ...['/a b', '/a\tb', '/a?b c', '/a?b\u0000', '/a?\u00e9', '/[x]', '/{x}', '/a|b', '/"a"'],
  ])('refuses %j, which two readers could read in two ways', target => {
    expect(read(target)).toBeUndefined()
  })

  it('takes the absolute form when its authority is the Host, and forwards the origin form', () => {
    expect(read('http://orders.test/a?b')).toEqual({ target: '/a?b', path: '/a' })
    expect(read('http://ORDERS.test')).toEqual({ target: '/', path: '/' })
    expect(readRequestTarget('http://orders.test:81/a', 'orders.test')).toBeUndefined()
  })
})

describe('hasTokenInQuery', () => {
  it.each([
    '/a?access_token=x',
    '/a?b=1&access_token=x',
    '/a?access%5Ftoken=x',
    '/a?%61ccess_token',
    '/a?ACCESS_TOKEN=x',
    '/a?b=1;access_token=x',
    '/a?access_token;b',
  ])('sees the token in %s', target => {
    expect(hasTokenInQuery(target)).toBe(true)
  })

  it.each(['/a', '/a?my_access_token=x', '/access_token=x', '/a?access_tokens=x'])(
    'sees none in %s',
    target => {
      expect(hasTokenInQuery(target)).toBe(false)
    },
  )
})

describe('a path that is taken', () => {
  it('D15 is in the same area for every reader that is known to read paths in its own way', () => {
    const routes = createRouteTable([
      aPublicRoute('/**'),
      aPublicRoute('/admin/**'),
      aPublicRoute('/public/**'),
    ])
    const taken = { admin: 0, public: 0, other: 0 }
    fc.assert(
      fc.property(oddTargets, text => {
        const target = read(text)
        if (target === undefined) return
        expect(text.endsWith(target.target)).toBe(true)
        expect(target.target.split('?')[0]).toBe(target.path)
        const route = routes.find('orders.test', 'GET', target.path)
        const area = 'id' in route ? (/^\/(admin|public)/.exec(route.id)?.[1] ?? 'other') : 'none'
        taken[area as keyof typeof taken] += 1
        for (const [name, reader] of Object.entries(pathReaders)) {
          const seen = areaOf(reader, target.target)
          expect(['admin', 'public'].includes(seen) ? seen : 'other', `${text}: ${name}`).toBe(area)
        }
      }),
      { numRuns: 20_000 },
    )
    for (const count of Object.values(taken)) expect(count).toBeGreaterThan(100)
  })
})

function aPublicRoute(path: string): Route {
  return { kind: 'public', id: path, match: { path }, websocket: false }
}
