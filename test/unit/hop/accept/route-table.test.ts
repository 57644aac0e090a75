import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRouteTable } from '../../../../src/hop/accept/route-table.ts'
import { parsePathPattern } from '../../../../src/model/path-pattern.ts'
import type { Route, RouteMatch } from '../../../../src/model/route.ts'
import { compareRoutes, takesRequest, usualMethods } from '../../../../src/model/route-order.ts'

function route(match: RouteMatch): Route {
  return { kind: 'public', id: JSON.stringify(match), match, websocket: false }
}

function found(
  routes: Route[],
  method: string,
  path: string,
  host = 'orders.test',
): string | readonly string[] {
  const result = createRouteTable(routes).find(host, method, path)
  return 'id' in result ? result.match.path : result
}

describe('createRouteTable', () => {
  const all = route({ path: '/orders/**' })
  const one = route({ path: '/orders/{id}' })
  const mine = route({ path: '/orders/mine' })
  const refund = route({ path: '/orders/{id}/refund', methods: ['POST'] })

  it.each([
    ['/orders', '/orders/**'],
    ['/orders/', '/orders/**'],
    ['/orders/17', '/orders/{id}'],
    ['/orders/mine', '/orders/mine'],
    ['/orders/17/items/3', '/orders/**'],
    ['/orders/mine/items', '/orders/**'],
  ])('gives %s to the most specific route, %s, in whatever order they stand', (path, expected) => {
    for (const routes of [
      [all, one, mine, refund],
      [refund, mine, one, all],
      [one, all, refund, mine],
    ]) {
      expect(found(routes, 'GET', path)).toBe(expected)
    }
  })

  it('reads escapes as upstream does, so that an escaped letter does not lead to a less protected route', () => {
    for (const path of ['/orders/%6Dine', '/orders/%6d%69ne', '/%6Frders/mine']) {
      expect(found([all, one, mine], 'GET', path)).toBe('/orders/mine')
    }
  })

  it('passes over a more specific route that takes another method', () => {
    expect(found([all, refund], 'POST', '/orders/17/refund')).toBe('/orders/{id}/refund')
    expect(found([all, refund], 'GET', '/orders/17/refund')).toBe('/orders/**')
  })

  it('answers the methods that the path would take, or none for an unknown path', () => {
    expect(found([refund], 'GET', '/orders/17/refund')).toEqual(['POST'])
    expect(found([refund], 'GET', '/orders/17')).toEqual([])
    expect(found([], 'GET', '/')).toEqual([])
  })

  it('knows the methods of every route that takes a path', () => {
    const table = createRouteTable([all, refund, route({ path: '/hosted', host: 'h', methods: ['GET'] })])
    expect(table.methods('orders.test', '/orders/17/refund')).toEqual([...usualMethods].sort())
    expect(createRouteTable([refund]).methods('orders.test', '/orders/17/refund')).toEqual(['POST'])
    expect(table.methods('h', '/hosted')).toEqual(['GET'])
    expect(table.methods('orders.test', '/hosted')).toEqual([])
  })

  it('takes unusual methods only where they are named', () => {
    expect(found([all], 'PROPFIND', '/orders/1')).toContain('GET')
    expect(found([route({ path: '/dav/**', methods: ['PROPFIND'] })], 'PROPFIND', '/dav/x')).toBe('/dav/**')
  })

  it('matches hosts exactly', () => {
    const routes = [route({ path: '/**', host: 'api.internal' })]
    expect(found(routes, 'GET', '/x', 'api.internal')).toBe('/**')
    expect(found(routes, 'GET', '/x', 'xapi.internal')).toEqual([])
    expect(found(routes, 'GET', '/x', 'api.internal.evil.test')).toEqual([])
  })

  it('finds what looking through the ordered list finds', () => {
    const segment = fc.constantFrom('a', 'b', '{x}')
    const path = fc
      .tuple(fc.array(segment, { maxLength: 3 }), fc.boolean())
      .map(
        ([parts, rest]) =>
          `/${[...parts.map((part, index) => part.replace('x', `x${index}`)), ...(rest ? ['**'] : [])].join('/')}`,
      )
    const match = fc.record(
      {
        path,
        host: fc.constantFrom('h1', 'h2'),
        methods: fc.constantFrom(['GET'], ['POST'], ['GET', 'POST']),
      },
      { requiredKeys: ['path'] },
    )
    fc.assert(
      fc.property(
        fc.array(match, { maxLength: 8 }),
        fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 4 }),
        fc.constantFrom('h1', 'h3'),
        fc.constantFrom('GET', 'POST'),
        (matches, parts, host, method) => {
          const routes = matches.map(one => route(one as RouteMatch))
          const requested = `/${parts.join('/')}`
          const ordered = routes
            .map(one => {
              const pattern = parsePathPattern(one.match.path)
              if (!pattern.ok) throw new Error(pattern.error)
              return { route: one, path: pattern.value, host: one.match.host, methods: one.match.methods }
            })
            .toSorted(compareRoutes)
          const expected = ordered.find(one => takesRequest(one, method, host, requested))
          const actual = createRouteTable(routes).find(host, method, requested)
          expect(
            'id' in actual ? compareRoutes(pick(ordered, actual), pick(ordered, expected?.route)) : undefined,
          ).toBe(expected === undefined ? undefined : 0)
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

function pick<T extends { route: Route }>(list: readonly T[], wanted: Route | undefined): T {
  const entry = list.find(one => one.route.id === wanted?.id)
  if (entry === undefined) throw new Error('not in the list')
  return entry
}
