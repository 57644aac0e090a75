import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findRouteCandidates } from '../../../../src/hop/accept/route-candidates.ts'
import { createRouteTable } from '../../../../src/hop/accept/route-table.ts'
import type { Route, RouteMatch } from '../../../../src/model/route.ts'

function route(match: RouteMatch, index = 0): Route {
  return { kind: 'public', id: `${index} ${JSON.stringify(match)}`, match, websocket: false }
}

describe('findRouteCandidates', () => {
  it('lists every route that knows the path, the most specific first, with what it takes instead', () => {
    const routes = [
      route({ path: '/orders/**' }),
      route({ path: '/orders/{id}', methods: ['GET'] }),
      route({ path: '/orders/{id}', methods: ['PUT', 'PATCH'] }),
      route({ path: '/orders/{id}', methods: ['GET'], host: 'other.test' }),
      route({ path: '/invoices/**' }),
    ]
    const found = findRouteCandidates(routes, 'orders.test', 'GET', '/orders/17')
    expect(found.map(({ route: { match }, takes, methods }) => [match.path, takes, methods])).toEqual([
      ['/orders/{id}', true, []],
      ['/orders/{id}', false, ['PATCH', 'PUT']],
      ['/orders/**', true, []],
    ])
  })

  it('has first of those that take the request the one that the table finds', () => {
    const paths = ['/a', '/a/b', '/a/{x}', '/{x}/b', '/{x}/{y}', '/a/**', '/**']
    const matches = fc.record(
      {
        path: fc.constantFrom(...paths),
        methods: fc.subarray(['GET', 'POST'], { minLength: 1 }),
        host: fc.constantFrom('one.test', 'two.test'),
      },
      { requiredKeys: ['path'] },
    )
    const request = fc.record({
      host: fc.constantFrom('one.test', 'two.test'),
      method: fc.constantFrom('GET', 'POST', 'PUT'),
      path: fc.constantFrom('/a', '/a/b', '/c/b', '/a/b/c', '/'),
    })
    const key = ({ path, methods, host }: RouteMatch) => JSON.stringify([path, host, methods])
    fc.assert(
      fc.property(
        fc.uniqueArray(matches, { selector: key, maxLength: 8 }),
        request,
        (list, { host, method, path }) => {
          const routes = list.map(route)
          const found = createRouteTable(routes).find(host, method, path)
          const candidates = findRouteCandidates(routes, host, method, path)
          const first = candidates.find(({ takes }) => takes)
          if ('id' in found) expect(first?.route.match).toEqual(found.match)
          else {
            expect(first).toBeUndefined()
            expect([...new Set(candidates.flatMap(({ methods }) => methods))].sort()).toEqual(found)
          }
        },
      ),
    )
  })
})
