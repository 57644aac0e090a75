const longest = 64

/** A compact JWS or the start of one, or any base64url text long enough to be a credential. */
const looksLikeToken = /eyJ[A-Za-z0-9_-]{4}|[A-Za-z0-9_-]{48}/

/**
 * A value from a token as text for a log: cut to 64 characters, one line of printable ASCII, quotes and control
 * characters escaped. What could be a token itself is withheld, and of arrays and objects only the kind is told.
 */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'absent'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  if (looksLikeToken.test(value)) return '[withheld]'
  const cut = value.length > longest ? `${value.slice(0, longest)}...` : value
  return JSON.stringify(cut).replace(/[^\x20-\x7e]/g, escapeUnit)
}

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
