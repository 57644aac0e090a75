import { isDuplicate, isShadowed, parseRouteMatch, type RoutePattern } from '../model/route-order.ts'
import type { Report } from './report.ts'
import type { RouteInput } from './route-schema.ts'

/** The name of a route in audit events, metrics and logs: the configured one, or methods, host and path. */
export function routeId(route: RouteInput): string {
  if (route.name !== undefined) return route.name
  const methods = route.methods === undefined ? '' : `${route.methods.join(',')} `
  return `${methods}${route.host ?? ''}${route.path}`
}

/** Reports routes that share a name, that match the same requests, or that no request can reach. */
export function checkRoutes(routes: readonly (RouteInput | undefined)[], report: Report): void {
  const patterns = routes.map(route => route && patternOf(route))
  const ids = routes.map(route => route && routeId(route))
  for (const [index, pattern] of patterns.entries()) {
    if (pattern === undefined) continue
    const path = ['routes', index]
    const namesake = ids.indexOf(ids[index])
    const twin = patterns.findIndex(other => other !== undefined && isDuplicate(other, pattern))
    if (twin < index) {
      report.add({ path, found: `a route for the same requests as routes[${twin}]`, expected: 'one of them' })
    } else if (namesake < index) {
      report.add({ path, found: `the name of routes[${namesake}] again`, expected: 'another name' })
    } else if (isShadowed(pattern, present(patterns))) {
      const found = 'a route that gets no request: more specific routes take them all'
      report.add({ path, found, expected: 'it gone, or the others narrower' })
    }
  }
}

function patternOf(route: RouteInput): RoutePattern | undefined {
  const { path, host, methods } = route
  const parsed = parseRouteMatch({ path, ...(host && { host }), ...(methods && { methods }) })
  return parsed.ok ? parsed.value : undefined
}

function present<T>(values: readonly (T | undefined)[]): readonly T[] {
  return values.filter(value => value !== undefined)
}
