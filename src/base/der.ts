/** One element of DER (X.690 §8.1). */
export interface DerElement {
  /** The identifier octet, such as 0x30 for a SEQUENCE. */
  readonly tag: number
  readonly content: Buffer
}

/**
 * Reads the elements that bytes consist of, one after the other.
 *
 * @throws RangeError when the bytes are anything else
 */
export function readDer(bytes: Buffer): readonly DerElement[] {
  const elements: DerElement[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = byteAt(bytes, at)
    if ((tag & 0x1f) === 0x1f) throw new RangeError('a tag of several bytes')
    const first = byteAt(bytes, at + 1)
    let start = at + 2
    let length = first
    if (first >= 0x80) {
      const size = first & 0x7f
      if (size === 0 || size > 4) throw new RangeError('a length that DER does not have here')
      length = bytes.readUIntBE(start, size)
      start += size
    }
    if (start + length > bytes.length) throw new RangeError('an element that goes past the end')
    elements.push({ tag, content: bytes.subarray(start, start + length) })
    at = start + length
  }
  return elements
}

function byteAt(bytes: Buffer, index: number): number {
  const byte = bytes[index]
  if (byte === undefined) throw new RangeError('an element that is cut')
  return byte
}
