import { describe, expect, it } from 'vitest'
import type { RouteMatch } from '../../../src/model/route.ts'
import {
  compareRoutes,
  isDuplicate,
  isShadowed,
  parseRouteMatch,
  type RoutePattern,
  takesRequest,
  usualMethods,
} from '../../../src/model/route-order.ts'

function route(match: RouteMatch): RoutePattern {
  const parsed = parseRouteMatch(match)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

describe('compareRoutes', () => {
  it.each<[RouteMatch, RouteMatch]>([
    [{ path: '/a' }, { path: '/{x}', host: 'h', methods: ['GET'] }],
    [
      { path: '/a', host: 'h' },
      { path: '/a', methods: ['GET'] },
    ],
    [{ path: '/a', methods: ['GET'] }, { path: '/a' }],
  ])('puts %j before %j', (first, second) => {
    expect(compareRoutes(route(first), route(second))).toBeLessThan(0)
    expect(compareRoutes(route(second), route(first))).toBeGreaterThan(0)
  })
})

describe('takesRequest', () => {
  it('asks for path, host and method', () => {
    const one = route({ path: '/a/**', host: 'h', methods: ['GET'] })
    expect(takesRequest(one, 'GET', 'h', '/a/b')).toBe(true)
    expect(takesRequest(one, 'POST', 'h', '/a/b')).toBe(false)
    expect(takesRequest(one, 'GET', 'x', '/a/b')).toBe(false)
    expect(takesRequest(one, 'GET', 'h', '/b')).toBe(false)
  })

  it('takes the usual methods where none is named, and no others', () => {
    const any = route({ path: '/a' })
    expect(usualMethods.every(method => takesRequest(any, method, 'h', '/a'))).toBe(true)
    expect(takesRequest(any, 'PROPFIND', 'h', '/a')).toBe(false)
  })
})

describe('isDuplicate', () => {
  it.each<[RouteMatch, RouteMatch, boolean]>([
    [{ path: '/a/{x}' }, { path: '/a/{y}' }, true],
    [{ path: '/a/{x}', methods: ['GET'] }, { path: '/a/{y}', methods: ['POST', 'GET'] }, true],
    [{ path: '/a/{x}', methods: ['GET'] }, { path: '/a/{y}', methods: ['POST'] }, false],
    [{ path: '/a/{x}', host: 'h' }, { path: '/a/{y}', host: 'h' }, true],
    [{ path: '/a/{x}', host: 'h' }, { path: '/a/{y}', host: 'i' }, false],
    [{ path: '/a/{x}', host: 'h' }, { path: '/a/{y}' }, false],
    [{ path: '/a' }, { path: '/b' }, false],
    [{ path: '/a' }, { path: '/%61' }, true],
    [{ path: '/a/{x}/b' }, { path: '/a/b/{x}' }, false],
  ])('%j and %j: %s', (a, b, expected) => {
    expect(isDuplicate(route(a), route(b))).toBe(expected)
    expect(isDuplicate(route(b), route(a))).toBe(expected)
  })
})

describe('isShadowed', () => {
  const everything = route({ path: '/a/**' })

  it('sees that several routes together take every request', () => {
    const others = [{ path: '/a' }, { path: '/a/' }, { path: '/a/{x}/**' }].map(route)
    expect(isShadowed(everything, others)).toBe(true)
    for (const left of others)
      expect(
        isShadowed(
          everything,
          others.filter(other => other !== left),
        ),
      ).toBe(false)
  })

  it('counts methods and hosts', () => {
    const both = [
      { path: '/a', methods: usualMethods.slice(0, 3) },
      { path: '/a', methods: usualMethods.slice(3) },
    ]
    expect(isShadowed(route({ path: '/a' }), both.map(route))).toBe(true)
    expect(isShadowed(route({ path: '/a' }), both.slice(1).map(route))).toBe(false)
    expect(isShadowed(route({ path: '/a' }), [route({ path: '/a', host: 'h' })])).toBe(false)
  })

  it('is never so for a route that nothing stronger overlaps', () => {
    expect(isShadowed(route({ path: '/a/b' }), [everything, route({ path: '/{x}/b' })])).toBe(false)
  })
})
