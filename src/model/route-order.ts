import { ok, type Result } from '../base/result.ts'
import { comparePatterns, matchesPath, type PathPattern, parsePathPattern } from './path-pattern.ts'
import type { RouteMatch } from './route.ts'

/** Methods that a route takes when it names none. Others, such as those of WebDAV, must be named. */
export const usualMethods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'QUERY',
] as const satisfies readonly string[]

/** What decides whether a request belongs to a route, with the path parsed. */
export interface RoutePattern {
  readonly path: PathPattern
  readonly host: string | undefined
  readonly methods: readonly string[] | undefined
}

/** Parses a match; the error says what is wrong with its path. */
export function parseRouteMatch(match: RouteMatch): Result<RoutePattern, string> {
  const path = parsePathPattern(match.path)
  return path.ok ? ok({ path: path.value, host: match.host, methods: match.methods }) : path
}

/**
 * Orders routes, the more specific first: by path ({@link comparePatterns}), then a named host before any host, then
 * named methods before any method. A request belongs to the first route, in this order, that takes its path, host
 * and method; a route for another method does not stand in the way of a less specific one. The order in the
 * configuration means nothing.
 */
export function compareRoutes(a: RoutePattern, b: RoutePattern): number {
  return (
    comparePatterns(a.path, b.path) ||
    Number(b.host !== undefined) - Number(a.host !== undefined) ||
    Number(b.methods !== undefined) - Number(a.methods !== undefined)
  )
}

/** Whether a request, its host in lower case without port, belongs to the route. */
export function takesRequest(route: RoutePattern, method: string, host: string, path: string): boolean {
  return (
    (route.host === undefined || route.host === host) &&
    (route.methods ?? usualMethods).includes(method) &&
    matchesPath(route.path, path)
  )
}

/** Whether neither route is more specific and some request belongs to both, so that nothing says who takes it. */
export function isDuplicate(a: RoutePattern, b: RoutePattern): boolean {
  if (duplicateKey(a) !== duplicateKey(b)) return false
  return a.methods === undefined || a.methods.some(method => b.methods?.includes(method))
}

/** The same for routes that differ at most in the names of parameters and in which methods they name. */
export function duplicateKey({ path, host, methods }: RoutePattern): string {
  return JSON.stringify([host, methods === undefined, path.rest, shapes(path).at(-1)])
}

/** What the beginnings of a pattern look like when the names of parameters do not count, the empty one first. */
export function shapes(path: PathPattern): readonly string[] {
  const beginnings = ['']
  for (const segment of path.segments) {
    const shape = segment.kind === 'literal' ? `/=${segment.text}` : '/{}'
    beginnings.push(`${beginnings.at(-1)}${shape}`)
  }
  return beginnings
}

/**
 * Whether other, more specific routes take every request of `route`.
 *
 * It is enough to try requests that use a fresh word wherever the route leaves a choice, for each length of path up
 * to one more than any pattern's: a route that takes the fresh word takes every word. So only those others count whose
 * path begins with the same shape ({@link shapes}).
 */
export function isShadowed(route: RoutePattern, others: readonly RoutePattern[]): boolean {
  const stronger = others.filter(other => compareRoutes(other, route) < 0)
  if (stronger.length === 0) return false
  const longest = Math.max(...stronger.map(other => other.path.segments.length)) + 1
  const methods = route.methods ?? usualMethods
  return samplePaths(route.path, longest).every(path =>
    methods.every(method => stronger.some(other => takesRequest(other, method, route.host ?? fresh, path))),
  )
}

/** No host or literal segment of a configuration is this word. */
const fresh = '\0'

function samplePaths(pattern: PathPattern, longest: number): string[] {
  const fixed = pattern.segments.map(segment => (segment.kind === 'literal' ? segment.text : fresh))
  if (!pattern.rest) return [`/${fixed.join('/')}`]
  const paths: string[] = []
  for (let tail: string[] = []; fixed.length + tail.length <= longest + 1; tail = [...tail, fresh]) {
    paths.push(`/${[...fixed, ...tail].join('/')}`, `/${[...fixed, ...tail, ''].join('/')}`)
  }
  return paths
}
