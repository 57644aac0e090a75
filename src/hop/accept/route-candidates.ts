import type { Route } from '../../model/route.ts'
import { compareRoutes } from '../../model/route-order.ts'
import { createRouteTable, patternOf } from './route-table.ts'

/** A route that knows the path of a request. */
export interface RouteCandidate {
  readonly route: Route
  /** Whether it would take the request if it were the only one. */
  readonly takes: boolean
  /** The methods that it takes instead. */
  readonly methods: readonly string[]
}

/**
 * Every route that knows the path at this host, the most specific first. Each is asked as a table of its own, so the first
 * that takes the request is the one that the table of all finds.
 */
export function findRouteCandidates(
  routes: readonly Route[],
  host: string,
  method: string,
  path: string,
): readonly RouteCandidate[] {
  return routes
    .toSorted((a, b) => compareRoutes(patternOf(a), patternOf(b)))
    .flatMap((route): readonly RouteCandidate[] => {
      const found = createRouteTable([route]).find(host, method, path)
      if (found === route) return [{ route, takes: true, methods: [] }]
      const methods = found as readonly string[]
      return methods.length === 0 ? [] : [{ route, takes: false, methods }]
    })
}
