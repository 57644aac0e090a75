import { fail, ok, type Result } from '../base/result.ts'

/** One segment of a pattern: this text, with `%` escapes decoded, or any one segment that is not empty. */
export type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'parameter'; readonly name: string }

/**
 * A parsed path pattern: `/orders/{id}/**`.
 *
 * Segments are compared with their `%` escapes decoded, once: upstream decodes them too, so that `/%61dmin` must be
 * the route `/admin` and not `/{name}`. Case counts. A trailing slash is an empty last segment and
 * means itself: `/a/` is not `/a`. `**` stands only at the end and matches any rest, none included: `/a/**` matches
 * `/a`, `/a/` and `/a/b/c`. Which of two routes wins is in `route-order.ts`.
 */
export interface PathPattern {
  readonly text: string
  readonly segments: readonly PathSegment[]
  /** Whether `**` follows the segments. */
  readonly rest: boolean
}

/** pchar of RFC 3986 §3.3 without `;` and `*`. */
const literalText = /^(?:[A-Za-z0-9\-._~!$&'()+,=:@]|%[0-9A-Fa-f]{2})*$/
/** What `accept` refuses in every request path: escapes that change its meaning, and ends that some upstream drops. */
const unreachable = /%(?:[01]|23|25|2[EeFf]|3[BbFf]|5[Cc]|7[Ff])|\.$|%20$/
const parameterName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Reads a pattern. The error is one sentence without a full stop, for the author of a configuration. */
export function parsePathPattern(text: string): Result<PathPattern, string> {
  if (!text.startsWith('/')) return fail('must begin with /')
  const parts = text.slice(1).split('/')
  const rest = parts.at(-1) === '**'
  if (rest) parts.pop()
  const segments: PathSegment[] = []
  for (const [index, part] of parts.entries()) {
    const segment = parseSegment(part, index === parts.length - 1 && !rest)
    if (!segment.ok) return segment
    segments.push(segment.value)
  }
  const names = segments.flatMap(segment => (segment.kind === 'parameter' ? [segment.name] : []))
  if (new Set(names).size < names.length) return fail('uses the same {name} twice')
  return ok(Object.freeze({ text, segments: Object.freeze(segments), rest }))
}

function parseSegment(part: string, last: boolean): Result<PathSegment, string> {
  if (part === '' && !last) return fail('has an empty segment')
  if (part.includes('*')) return fail('may use ** as its last segment only, and * nowhere')
  if (part.startsWith('{') && part.endsWith('}')) {
    const name = part.slice(1, -1)
    if (!parameterName.test(name)) return fail('has a {name} that is not made of letters, digits and _')
    return ok(Object.freeze({ kind: 'parameter', name }))
  }
  if (/[{}]/.test(part)) return fail('has a {name} that is not a whole segment')
  if (/[?#]/.test(part)) return fail('has a query or a fragment')
  if (!literalText.test(part)) return fail('has a character that a path can hold only as a % escape, or ;')
  if (unreachable.test(part)) return fail('has an escape or a last dot that no request path may have')
  const text = decodeSegment(part)
  if (text === undefined) return fail('has % escapes that are not UTF-8')
  return ok(Object.freeze({ kind: 'literal', text }))
}

/** Decodes the `%` escapes of one segment; undefined when they are not UTF-8. */
export function decodeSegment(segment: string): string | undefined {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** Whether a request path, without query, belongs to the pattern. */
export function matchesPath(pattern: PathPattern, path: string): boolean {
  const parts = path.slice(1).split('/').map(decodeSegment)
  const { segments, rest } = pattern
  if (parts.length < segments.length) return false
  if (parts.length > segments.length && !rest) return false
  return segments.every((segment, index) =>
    segment.kind === 'literal' ? segment.text === parts[index] : parts[index] !== '',
  )
}

/**
 * Orders patterns, the more specific first: segment by segment from the left, a literal before `{name}` before the
 * pattern's end before `**`. Zero means the same kinds of segments in the same places.
 */
export function comparePatterns(a: PathPattern, b: PathPattern): number {
  for (let index = 0; index <= Math.max(a.segments.length, b.segments.length); index++) {
    const difference = rank(b, index) - rank(a, index)
    if (difference !== 0) return difference
  }
  return 0
}

function rank(pattern: PathPattern, index: number): number {
  const segment = pattern.segments[index]
  if (segment !== undefined) return segment.kind === 'literal' ? 3 : 2
  return pattern.rest ? 0 : 1
}
