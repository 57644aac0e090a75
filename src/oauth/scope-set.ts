import { Recent } from '../base/recent.ts'

declare const sorted: unique symbol

/**
 * A set of scope tokens (RFC 6749 §3.3): sorted, without duplicates, case-sensitive. Two equal sets have equal
 * arrays, so a set can be compared and keyed by its formatted text.
 */
export type ScopeSet = readonly string[] & { readonly [sorted]: true }

/** scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** Builds a set from scope tokens. Throws a TypeError for a text that is no scope token. */
export function scopeSet(tokens: Iterable<string>): ScopeSet {
  const unique = [...new Set(tokens)]
  for (const token of unique) {
    if (!scopeToken.test(token)) throw new TypeError(`not a scope token: ${JSON.stringify(token)}`)
  }
  return Object.freeze(unique.sort()) as unknown as ScopeSet
}

export const emptyScope: ScopeSet = scopeSet([])

/**
 * Reads a space-delimited scope string. Only single spaces delimit; anything else that is not a scope token
 * (tabs, doubled spaces, quotes) makes the whole text unreadable, and the answer is undefined.
 */
export function parseScope(text: string): ScopeSet | undefined {
  if (text === '') return emptyScope
  const known = recent.get(text)
  if (known !== undefined) return known
  const tokens = text.split(' ')
  if (!tokens.every(token => scopeToken.test(token))) return undefined
  const scope = scopeSet(tokens)
  recent.set(text, scope)
  return scope
}

/** Tokens by the thousand hold the same scope: one set serves them all. */
const recent = new Recent<string, ScopeSet>(256)

/** The space-delimited text of a set, in sorted order. */
export function formatScope(scope: ScopeSet): string {
  // Every hop writes two of them, most with one token: `join` takes several times as long.
  let text = scope[0] ?? ''
  for (let index = 1; index < scope.length; index++) text += ` ${scope[index]}`
  return text
}

/** What both sets hold. */
export function intersectScope(a: ScopeSet, b: ScopeSet): ScopeSet {
  return scopeSet(a.filter(token => b.includes(token)))
}

/** Whether every token of `inner` is in `outer`. */
export function isScopeWithin(inner: ScopeSet, outer: ScopeSet): boolean {
  for (let index = 0; index < inner.length; index++) {
    if (!outer.includes(inner[index] as string)) return false
  }
  return true
}
