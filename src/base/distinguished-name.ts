import { type DerElement, readDer } from './der.ts'
import { fail, ok, type Result } from './result.ts'

/**
 * A distinguished name in one spelling, to be compared as a text: the same for the same attributes in the same order, and
 * for no others. Values are compared exactly, case and blanks included, whatever string type they are encoded as.
 */
export type CanonicalName = string

/** Attribute types by their short names (RFC 4514 §3), and those that certificates have beside them. */
const typeNames: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  SERIALNUMBER: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  STREET: '2.5.4.9',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
  EMAILADDRESS: '1.2.840.113549.1.9.1',
}

interface Attribute {
  /** Dotted object identifier. */
  readonly type: string
  readonly value: string
}

/**
 * Reads a name as people write it (RFC 4514): `CN=orders,O=Example,C=SE`, the most particular first. Values in
 * hexadecimal (`#04…`) are not supported. The error follows "a name which".
 */
export function parseDistinguishedName(text: string): Result<CanonicalName, string> {
  const names: Attribute[][] = []
  // The first attribute has a separator in front like the others.
  let rest = `,${text}`
  while (rest !== '') {
    const read = readAttribute(rest)
    if (!read.ok) return read
    const { attribute, joins, end } = read.value
    if (joins) names.at(-1)?.push(attribute)
    else names.push([attribute])
    rest = rest.slice(end)
  }
  // Written with the most particular first, encoded with it last (RFC 4514 §2.1).
  return ok(canonicalName(names.reverse()))
}

/** One attribute with its separator in front, `,` between names and `+` within one. */
function readAttribute(
  text: string,
): Result<{ readonly attribute: Attribute; readonly joins: boolean; readonly end: number }, string> {
  const match =
    /^([,+]) *([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)=((?:[^\\",+<>;\0]|\\[ "#+,;<=>\\]|\\[0-9A-Fa-f]{2})+)(?=[,+]|$)/.exec(
      text,
    )
  const [all = '', separator = '', type = '', written = ''] = match ?? []
  if (match === null) return fail('is not written as in RFC 4514')
  const identifier = /^[0-9]/.test(type) ? type : typeNames[type.toUpperCase()]
  if (identifier === undefined) return fail('has an attribute type that is not known by this name')
  if (/^[ #]/.test(written) || /(?:^|[^\\]) $/.test(written))
    return fail('has a blank or # that is not escaped')
  const value = unescapeValue(written)
  if (value === undefined) return fail('has an escape that is not UTF-8')
  return ok({ attribute: { type: identifier, value }, joins: separator === '+', end: all.length })
}

function unescapeValue(written: string): string | undefined {
  const bytes: number[] = []
  for (const [piece] of written.matchAll(/\\[0-9A-Fa-f]{2}|\\.|[^\\]/gu)) {
    if (/^\\[0-9A-Fa-f]{2}$/.test(piece)) bytes.push(Number.parseInt(piece.slice(1), 16))
    else bytes.push(...Buffer.from(piece.replace(/^\\/, ''), 'utf8'))
  }
  return decodeUtf8(Buffer.from(bytes))
}

/**
 * The subject of a certificate.
 *
 * @param certificate DER of a certificate whose signature was verified
 * @throws RangeError when the bytes are no certificate, or the name has a value that is no text
 */
export function readSubjectName(certificate: Buffer): CanonicalName {
  const [outer] = readDer(certificate)
  const [toBeSigned] = readDer(contentOf(outer, sequence))
  // version is [0] and may be absent: serialNumber, signature, issuer, validity, subject follow (RFC 5280 §4.1).
  const fields = readDer(contentOf(toBeSigned, sequence)).filter(({ tag }) => tag !== versionTag)
  const names = readDer(contentOf(fields[4], sequence))
  return canonicalName(names.map(name => readDer(contentOf(name, set)).map(decodeAttribute)))
}

const sequence = 0x30
const set = 0x31
const versionTag = 0xa0
const objectIdentifier = 0x06

function decodeAttribute(element: DerElement): Attribute {
  const [type, value, more] = readDer(contentOf(element, sequence))
  if (value === undefined || more !== undefined) throw new RangeError('no attribute')
  return { type: decodeIdentifier(contentOf(type, objectIdentifier)), value: decodeText(value) }
}

function decodeText({ tag, content }: DerElement): string {
  switch (tag) {
    case 0x0c: {
      const text = decodeUtf8(content)
      if (text === undefined) throw new RangeError('a text that is not UTF-8')
      return text
    }
    case 0x13: // PrintableString
    case 0x16: // IA5String
      if (content.some(byte => byte > 0x7f)) throw new RangeError('a text that is not ASCII')
      return content.toString('latin1')
    default:
      throw new RangeError('a value of a type that is not supported')
  }
}

function decodeIdentifier(bytes: Buffer): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of bytes) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      arcs.push(arc)
      arc = 0
    }
  }
  const [first = 0, ...others] = arcs
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - top * 40, ...others].join('.')
}

function canonicalName(names: readonly (readonly Attribute[])[]): CanonicalName {
  // Attributes of one relative name are a set.
  return JSON.stringify(names.map(name => name.map(({ type, value }) => `${type}=${value}`).sort()))
}

function contentOf(element: DerElement | undefined, tag: number): Buffer {
  if (element?.tag !== tag) throw new RangeError('another structure')
  return element.content
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
