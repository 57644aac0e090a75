/** A JSON object as {@link parseStrictJson} makes it: no prototype, deeply frozen. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Objects and arrays may nest this deep. */
export const maxJsonDepth = 32

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads JSON (RFC 8259) that somebody else wrote and that two readers must not understand differently. Beyond what
 * `JSON.parse` refuses, it refuses member names that repeat (in any spelling, such as `"\u0073ub"`), nesting deeper
 * than {@link maxJsonDepth}, numbers that are not finite, lone surrogates, a byte order mark and, in bytes, invalid
 * UTF-8. Objects have no prototype, so a member named `__proto__` or `constructor` is data; everything is frozen.
 *
 * @returns undefined when the text is refused; never throws
 */
export function parseStrictJson(input: string | Uint8Array): unknown {
  const text = typeof input === 'string' ? input : decodeUtf8(input)
  if (text === undefined) return undefined
  const expected = countMembers(text)
  if (expected === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  // What was decoded from UTF-8 is well formed; only an escape can bring a lone surrogate then.
  const isSuspect = text.includes('\\u') || (typeof input === 'string' && !text.isWellFormed())
  const members = { count: 0, isSuspect }
  const value = harden(parsed, members)
  return members.count === expected ? value : undefined
}

/** Like {@link parseStrictJson}, and refuses everything that is not an object at the top. */
export function parseStrictJsonObject(input: string | Uint8Array): JsonObject | undefined {
  const value = parseStrictJson(input)
  return isJsonObject(value) ? value : undefined
}

/** Whether a value is an object and neither an array nor null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a

/**
 * Counts the members of all objects in one pass over the text, without recursion. In well-formed JSON a colon outside
 * a string always belongs to a member; `JSON.parse` keeps the last of equal names, so fewer members in its result mean
 * that a name came twice. The answer is undefined when the nesting is too deep.
 */
function countMembers(text: string): number | undefined {
  let members = 0
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      index = endOfString(text, index + 1)
      // Not well-formed, as the parser will find too.
      if (index === -1) return members
    } else if (code === colon) {
      members++
    } else if (code === 0x7b || code === 0x5b) {
      depth++
      if (depth > maxJsonDepth) return undefined
    } else if (code === 0x7d || code === 0x5d) {
      depth--
    }
  }
  return members
}

/** The place of the quote that ends a string, or -1. Most of a token's text is long strings, which native code searches. */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

/** Whether an odd number of backslashes stands before a place. The string's own quote ends the way back. */
function isEscaped(text: string, at: number): boolean {
  let before = at - 1
  while (text.charCodeAt(before) === backslash) before--
  return (at - before) % 2 === 0
}

interface Members {
  count: number
  /** Whether there may be lone surrogates. */
  readonly isSuspect: boolean
}

/**
 * Gives what was parsed, which nobody else has, its frozen form, and counts its members. The depth was bounded before, so
 * recursion is safe.
 */
function harden(value: unknown, members: Members): unknown {
  if (typeof value === 'string') {
    if (members.isSuspect && !value.isWellFormed()) reject(members)
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) reject(members)
  } else if (Array.isArray(value)) {
    for (const item of value) harden(item, members)
    Object.freeze(value)
  } else if (typeof value === 'object' && value !== null) {
    const names = Object.keys(value)
    members.count += names.length
    for (const name of names) {
      if (members.isSuspect && !name.isWellFormed()) reject(members)
      harden((value as JsonObject)[name], members)
    }
    Object.freeze(Object.setPrototypeOf(value, null))
  }
  return value
}

/** Makes the final count differ from every expected one. */
function reject(members: Members): void {
  members.count = Number.NaN
}
