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
  const members = { count: 0 }
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
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === backslash) index++
      else if (code === quote) inString = false
    } else if (code === quote) {
      inString = true
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

/** Copies a parsed value into its frozen form. The depth was bounded before, so recursion is safe. */
function harden(value: unknown, members: { count: number }): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : reject(members)
  if (typeof value === 'number') return Number.isFinite(value) ? value : reject(members)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Object.freeze(value.map(item => harden(item, members)))
  const copy: Record<string, unknown> = Object.create(null)
  for (const name of Object.keys(value)) {
    if (!name.isWellFormed()) reject(members)
    members.count++
    copy[name] = harden((value as JsonObject)[name], members)
  }
  return Object.freeze(copy)
}

/** Makes the final count differ from every expected one. */
function reject(members: { count: number }): undefined {
  members.count = Number.NaN
  return undefined
}
