import {
  duplicateKey,
  isDuplicate,
  isShadowed,
  parseRouteMatch,
  type RoutePattern,
  shapes,
} from '../model/route-order.ts'
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
  const byShape = groupByShape(patterns)
  const namesakes = new Map<string, number>()
  const alike = new Map<string, { readonly index: number; readonly pattern: RoutePattern }[]>()
  for (const [index, route] of routes.entries()) {
    const pattern = patterns[index]
    if (route === undefined || pattern === undefined) continue
    const path = ['routes', index]
    const id = routeId(route)
    const namesake = namesakes.get(id)
    if (namesake === undefined) namesakes.set(id, index)
    const key = duplicateKey(pattern)
    const group = alike.get(key) ?? []
    const twin = group.find(other => isDuplicate(other.pattern, pattern))?.index
    alike.set(key, [...group, { index, pattern }])
    if (twin !== undefined) {
      report.add({ path, found: `a route for the same requests as routes[${twin}]`, expected: 'one of them' })
    } else if (namesake !== undefined) {
      report.add({ path, found: `the name of routes[${namesake}] again`, expected: 'another name' })
    } else if (isShadowed(pattern, byShape.get(shapes(pattern.path).at(-1) ?? '') ?? [])) {
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

/** Patterns under every shape that they begin with, so that thousands of routes are not each compared with all. */
function groupByShape(
  patterns: readonly (RoutePattern | undefined)[],
): ReadonlyMap<string, readonly RoutePattern[]> {
  const groups = new Map<string, RoutePattern[]>()
  for (const pattern of patterns) {
    if (pattern === undefined) continue
    for (const shape of shapes(pattern.path)) {
      const group = groups.get(shape)
      if (group === undefined) groups.set(shape, [pattern])
      else group.push(pattern)
    }
  }
  return groups
}
