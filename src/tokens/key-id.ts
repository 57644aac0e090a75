/** Whether a value may name a key: a string of 1 to 256 characters. `kid` is opaque beyond that (RFC 7517 §4.5). */
export function isKeyId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 256
}
