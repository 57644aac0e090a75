/** What a group holds, as far as it decides how many ways there are to match it. */
interface Group {
  /** Something that matches more than one number of times. */
  varies: boolean
  hasAlternatives: boolean
}

/** A quantifier at a place; `{,n}` is none. */
const quantifier = /(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/y

/**
 * Whether a regular expression can take time that is exponential in the text, because it repeats a group that can match the
 * same text in several ways, such as `(a+)+` and `(a|b)*`. Cautious: some that it finds are harmless, but then the same can
 * be written without the group.
 *
 * @param pattern that compiles with the `u` flag
 */
export function isCostlyPattern(pattern: string): boolean {
  const groups: Group[] = [{ varies: false, hasAlternatives: false }]
  let closed: Group | undefined
  let index = 0
  while (index < pattern.length) {
    const inner = groups.at(-1) as Group
    quantifier.lastIndex = index
    const found = index === 0 ? null : quantifier.exec(pattern)
    if (found !== null) {
      if (isRepeat(found) && closed !== undefined && (closed.varies || closed.hasAlternatives)) return true
      if (!isFixed(found)) inner.varies = true
      closed = undefined
      index = quantifier.lastIndex
      continue
    }
    closed = undefined
    const character = pattern[index]
    if (character === '\\') index++
    else if (character === '[') index = endOfClass(pattern, index)
    else if (character === '|') inner.hasAlternatives = true
    else if (character === '(') {
      groups.push({ varies: false, hasAlternatives: false })
      // `(?:`, `(?=` and their like: the question mark is no quantifier.
      if (pattern[index + 1] === '?') index++
    } else if (character === ')') {
      closed = groups.pop() as Group
      const outer = groups.at(-1) as Group
      outer.varies ||= closed.varies
      outer.hasAlternatives ||= closed.hasAlternatives
    }
    index++
  }
  return false
}

function isRepeat([, sign, least, comma, most]: RegExpExecArray): boolean {
  if (sign !== undefined) return sign !== '?'
  return Number(comma === '' ? least : most || Number.POSITIVE_INFINITY) > 1
}

function isFixed([, sign, least, comma, most]: RegExpExecArray): boolean {
  return sign === undefined && (comma === '' || least === most)
}

/** The place of the bracket that ends a class; with the `u` flag one inside is escaped. */
function endOfClass(pattern: string, from: number): number {
  let index = from + 1
  while (index < pattern.length && pattern[index] !== ']') index += pattern[index] === '\\' ? 2 : 1
  return index
}
