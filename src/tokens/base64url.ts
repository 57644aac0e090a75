/** Last characters of a group of two or three whose unused bits are zero. */
const endsOfTwo = 'AQgw'
const endsOfThree = 'AEIMQUYcgkosw048'

const alphabet = /^[A-Za-z0-9_-]+$/

/**
 * Whether a text is base64url without padding in its one canonical spelling (RFC 4648 §3.5, §5): the bits that encode
 * nothing are zero. Otherwise one token would have several spellings, and whatever is keyed by the text could be dodged.
 */
export function isCanonicalBase64Url(text: string): boolean {
  if (!alphabet.test(text)) return false
  const rest = text.length % 4
  if (rest === 0) return true
  if (rest === 1) return false
  return (rest === 2 ? endsOfTwo : endsOfThree).includes(text.charAt(text.length - 1))
}

/** The bytes of a canonical base64url text, or undefined for any other. */
export function decodeBase64Url(text: string): Buffer | undefined {
  return isCanonicalBase64Url(text) ? Buffer.from(text, 'base64url') : undefined
}
