/** A request target that every reader understands in the same way. */
export interface RequestTarget {
  /** Path and query, exactly as they will be forwarded. */
  readonly target: string
  /** The path, byte for byte the start of {@link target}. */
  readonly path: string
}

/** Paths of only these characters need no closer look than for odd segments. */
const plainPath = /^\/[A-Za-z0-9\-._~!$&'()+,=:@/*]*$/
/** Empty segments, segments that are dots, and segments that end in a dot, which some file systems drop. */
const oddSegment = /\/\/|\.(?:\/|$)/
/** pchar of RFC 3986 §3.3 without `;`, which servlet containers cut off, and `/`. */
const path = /^\/(?:[A-Za-z0-9\-._~!$&'()+,=:@/*]|%[0-9A-Fa-f]{2})*$/
/**
 * Escapes that change the meaning of a path once somebody decodes it: controls, `#`, `%`, `.`, `/`, `;`, `?`, `\`, DEL.
 */
const riskyEscape = /%(?:[01][0-9A-Fa-f]|23|25|2[EeFf]|3[BbFf]|5[Cc]|7[Ff])/
/** What {@link oddSegment} and the escapes below are in a decoded path. */
const oddFolded = /\/\/|[. ](?:\/|$)|\\/
/** A space at the end of a segment is dropped by some upstreams. */
const trailingSpace = /%20(?:\/|$)/
/** The query may hold what browsers send; not `#`, spaces, controls or bytes above ASCII. */
const query = /^[!-"$-~]*$/
/** Some readers end a parameter at `;` as well. */
const tokenInQuery =
  /(?:^|[&;])(?:a|%61)(?:c|%63){2}(?:e|%65)(?:s|%73){2}(?:_|%5[Ff])(?:t|%74)(?:o|%6[Ff])(?:k|%6[Bb])(?:e|%65)(?:n|%6[Ee])(?:[=&;]|$)/i

/**
 * Reads the target of a request line. The path that policy sees is byte for byte the path that upstream gets: nothing
 * is normalised, and a path that two readers could take for two different ones is not read at all.
 *
 * @param authority the validated `Host`, which the authority of an absolute-form target must equal (RFC 9112 §3.2.2)
 * @returns undefined for a target that is refused
 */
export function readRequestTarget(text: string, authority: string): RequestTarget | undefined {
  const target = text.startsWith('/') ? text : stripAuthority(text, authority)
  if (target === undefined) return undefined
  const mark = target.indexOf('?')
  const pathPart = mark === -1 ? target : target.slice(0, mark)
  if (!isUnambiguousPath(pathPart)) return undefined
  if (mark !== -1 && !query.test(target.slice(mark + 1))) return undefined
  return { target, path: pathPart }
}

/** Whether the query carries an access token, which RFC 6750 §2.3 allows and Hopgate does not: queries are logged. */
export function hasTokenInQuery(target: string): boolean {
  const mark = target.indexOf('?')
  return mark !== -1 && tokenInQuery.test(target.slice(mark + 1))
}

function isUnambiguousPath(text: string): boolean {
  if (oddSegment.test(text)) return false
  if (plainPath.test(text)) return true
  if (!path.test(text) || riskyEscape.test(text) || trailingSpace.test(text)) return false
  try {
    return isUnambiguousText(decodeURIComponent(text))
  } catch {
    return false
  }
}

/**
 * Some upstreams bring names into a compatibility form (NFKC), in which a fullwidth dot or solidus is a dot or a slash:
 * that must not make other segments of a path.
 */
function isUnambiguousText(decoded: string): boolean {
  const folded = decoded.normalize('NFKC')
  return folded === decoded || (!oddFolded.test(folded) && countSlashes(folded) === countSlashes(decoded))
}

function countSlashes(text: string): number {
  return text.split('/').length
}

function stripAuthority(text: string, authority: string): string | undefined {
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(text)
  if (absolute === null || absolute[1]?.toLowerCase() !== authority.toLowerCase()) return undefined
  const rest = absolute[2] ?? ''
  return rest.startsWith('/') ? rest : `/${rest}`
}
