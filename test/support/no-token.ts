import { expect } from 'vitest'

/**
 * Asserts that nothing of a token's secret part is in some output: not the signature (of an opaque token, the token),
 * not its first 16 characters, and neither of them in base64, base64url, percent-encoding or hex.
 *
 * @param output everything that was written: logs, audit lines, metrics, responses
 */
export function expectNoToken(output: string, tokens: readonly string[]): void {
  for (const token of tokens) {
    for (const [form, text] of secretForms(token)) {
      expect(output.includes(text), `the output holds a token's secret part (${form})`).toBe(false)
    }
  }
}

/** What must not occur, by the way it is written down. */
export function secretForms(token: string): readonly (readonly [string, string])[] {
  const secret = token.split('.').length === 3 ? token.slice(token.lastIndexOf('.') + 1) : token
  if (secret.length < 16) throw new Error('too short to be told from other text')
  const start = secret.slice(0, 16)
  const bytes = Buffer.from(start, 'utf8')
  return [
    ['whole', secret],
    ['its first 16 characters', start],
    // Cut to whole groups, so that what follows in the output does not change the letters looked for.
    ['base64', bytes.subarray(0, 15).toString('base64')],
    ['base64url', bytes.subarray(0, 15).toString('base64url')],
    ['percent-encoding', [...bytes].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('')],
    [
      'percent-encoding in upper case',
      [...bytes].map(byte => `%${byte.toString(16).toUpperCase()}`).join(''),
    ],
    ['hex', bytes.toString('hex')],
    ['signature bytes in hex', Buffer.from(secret, 'base64url').subarray(0, 12).toString('hex')],
  ]
}
