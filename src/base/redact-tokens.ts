const tokenShape = /eyJ[\w-]{8,}(?:(?:\.|%2[Ee])[\w-]*)+/g

/**
 * Replaces what has the shape of a JWT, its dots percent-encoded or not, by `[redacted]`. A second lock for records: a
 * token has no place there, wherever a caller may have put it (a request id, a `jti`). A match holds neither quote nor
 * backslash, so JSON stays JSON.
 */
export function redactTokens(text: string): string {
  // A rare letter is found ten times as fast as a text that begins with a frequent one.
  return text.includes('J') && text.includes('eyJ') ? text.replace(tokenShape, '[redacted]') : text
}
