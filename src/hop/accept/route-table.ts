import { decodeSegment, parsePathPattern } from '../../model/path-pattern.ts'
import type { Route } from '../../model/route.ts'
import { compareRoutes, type RoutePattern, usualMethods } from '../../model/route-order.ts'

/** Finds the route of a request. */
export interface RouteTable {
  /**
   * The most specific route that takes the request; or the methods that the path's routes would take, empty when no
   * route knows the path.
   */
  find(host: string, method: string, path: string): Route | readonly string[]
  /** The methods that the path's routes take. */
  methods(host: string, path: string): readonly string[]
}

interface Entry {
  readonly route: Route
  readonly pattern: RoutePattern
}

/** One position in the tree of segments. A request visits as many nodes as its path has segments, however many routes there are. */
interface Node {
  readonly literals: Map<string, Node>
  parameter: Node | undefined
  /** Routes whose pattern ends here, the more specific first. */
  readonly ending: Entry[]
  /** Routes whose pattern goes on with `**` here. */
  readonly rest: Entry[]
}

/** Compiles the configured routes; their order means nothing, see `model/route-order.ts`. */
export function createRouteTable(routes: readonly Route[]): RouteTable {
  const root = createNode()
  const entries = routes.map(route => ({ route, pattern: patternOf(route) }))
  for (const entry of entries.toSorted((a, b) => compareRoutes(a.pattern, b.pattern))) insert(root, entry)
  return {
    find(host, method, path) {
      const refused: string[] = []
      const found = descend(root, path, 1, { host, method, refused })
      return found ?? sortedOnce(refused)
    },
    methods(host, path) {
      const refused: string[] = []
      descend(root, path, 1, { host, method: noMethod, refused })
      return sortedOnce(refused)
    },
  }
}

/** No route takes it, so that all are asked. */
const noMethod = ''

interface Wanted {
  readonly host: string
  readonly method: string
  /** Collects the methods of routes that match but for the method. */
  readonly refused: string[]
}

/** @param start where the segment to look at begins in `path`; past the end of `path` when all were looked at */
function descend(node: Node, path: string, start: number, wanted: Wanted): Route | undefined {
  if (start > path.length) return pick(node.ending, wanted) ?? pick(node.rest, wanted)
  const slash = path.indexOf('/', start)
  const end = slash === -1 ? path.length : slash
  const segment = path.slice(start, end)
  const literal = node.literals.get(decodeSegment(segment) ?? segment)
  const byLiteral = literal && descend(literal, path, end + 1, wanted)
  if (byLiteral !== undefined) return byLiteral
  const byParameter = node.parameter && segment !== '' && descend(node.parameter, path, end + 1, wanted)
  return byParameter || pick(node.rest, wanted)
}

function pick(entries: readonly Entry[], wanted: Wanted): Route | undefined {
  for (const { route, pattern } of entries) {
    if (pattern.host !== undefined && pattern.host !== wanted.host) continue
    const methods = pattern.methods ?? usualMethods
    if (methods.includes(wanted.method)) return route
    wanted.refused.push(...methods)
  }
  return undefined
}

function sortedOnce(methods: readonly string[]): readonly string[] {
  return [...new Set(methods)].sort()
}

function insert(root: Node, entry: Entry): void {
  const { segments, rest } = entry.pattern.path
  let node = root
  for (const segment of segments) {
    if (segment.kind === 'parameter') {
      node.parameter ??= createNode()
      node = node.parameter
    } else {
      const next = node.literals.get(segment.text) ?? createNode()
      node.literals.set(segment.text, next)
      node = next
    }
  }
  const list = rest ? node.rest : node.ending
  list.push(entry)
}

function createNode(): Node {
  return { literals: new Map(), parameter: undefined, ending: [], rest: [] }
}

/** What a route's order among others depends on. */
export function patternOf(route: Route): RoutePattern {
  const { path, host, methods } = route.match
  const pattern = parsePathPattern(path)
  if (!pattern.ok) throw new TypeError(`route ${route.id}: path ${pattern.error}`)
  return { path: pattern.value, host, methods }
}
