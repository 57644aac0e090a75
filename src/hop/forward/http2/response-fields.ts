/** Longest header section of a response, in bytes as RFC 9113 §6.5.2 counts them. */
export const maxHeaderListBytes = 64 * 1_024

/** What each field counts beside its bytes. */
const overheadBytes = 32

/**
 * A header or trailer section without its pseudo-header fields, in order and with every repetition.
 *
 * @param raw name, value, name, value, …, as Node's HTTP/2 read them; it has checked their characters. It keeps to the
 *   limit that it was given only when upstream has acknowledged it
 * @returns undefined when there is more than is taken
 */
export function responseFields(raw: readonly string[]): readonly string[] | undefined {
  const fields: string[] = []
  let bytes = 0
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    bytes += name.length + value.length + overheadBytes
    if (!name.startsWith(':')) fields.push(name, value)
  }
  return bytes > maxHeaderListBytes ? undefined : fields
}
