/**
 * Header compression of HTTP/2 (RFC 7541), as far as a test needs it: written without any compression, so that a field
 * may hold any bytes, and read without a dynamic table.
 */

export type Field = readonly [name: string, value: string]

/** Fields as literals that nobody remembers (§6.2.3). Latin-1, no Huffman coding. */
export function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(0x10, name, value)))
}

/** A literal that the other side puts into its dynamic table, at index 62 (§6.2.1). */
export function encodeRemembered(name: string, value: string): Buffer {
  return literal(0x40, name, value)
}

/** A field of a table, by its index (§6.1). */
export function encodeIndexed(index: number): Buffer {
  return encodeInteger(0x80, 7, index)
}

/** Reads a block whose writer was told that it has no dynamic table. */
export function decodeFields(block: Buffer): Field[] {
  const fields: Field[] = []
  let offset = 0
  const integer = (bits: number): number => {
    const limit = 2 ** bits - 1
    let value = (block[offset++] ?? 0) & limit
    if (value < limit) return value
    for (let shift = 0; ; shift += 7) {
      const byte = block[offset++] ?? 0
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  const text = (): string => {
    const isHuffman = (block[offset] ?? 0) >= 0x80
    const length = integer(7)
    const bytes = block.subarray(offset, offset + length)
    offset += length
    return isHuffman ? decodeHuffman(bytes) : bytes.toString('latin1')
  }
  while (offset < block.length) {
    const first = block[offset] ?? 0
    if (first >= 0x80) fields.push(fromStaticTable(integer(7)))
    else if ((first & 0xe0) === 0x20) integer(5)
    else {
      const index = integer(first >= 0x40 ? 6 : 4)
      const name = index === 0 ? text() : fromStaticTable(index)[0]
      fields.push([name, text()])
    }
  }
  return fields
}

function literal(pattern: number, name: string, value: string): Buffer {
  const [nameBytes, valueBytes] = [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')]
  return Buffer.concat([
    Buffer.of(pattern),
    encodeInteger(0, 7, nameBytes.length),
    nameBytes,
    encodeInteger(0, 7, valueBytes.length),
    valueBytes,
  ])
}

function encodeInteger(pattern: number, bits: number, value: number): Buffer {
  const limit = 2 ** bits - 1
  if (value < limit) return Buffer.of(pattern | value)
  const bytes = [pattern | limit]
  let rest = value - limit
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push(0x80 | (rest & 0x7f))
  return Buffer.from([...bytes, rest])
}

function fromStaticTable(index: number): Field {
  const field = staticTable[index - 1]
  if (field === undefined) throw new Error(`index ${index} is not in the static table`)
  return field
}

/** Appendix A. */
const staticTable: readonly Field[] = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`
  .split('\n')
  .map(line => {
    const end = line.indexOf(' ')
    return end === -1 ? [line, ''] : [line.slice(0, end), line.slice(end + 1)]
  })

/** Symbols by the length of their code, up to 15 bits: Appendix B, whose code is canonical. */
const symbolsByLength: ReadonlyMap<number, string> = new Map([
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, '\x00$@[]~'],
  [14, '^}'],
  [15, '<`{'],
])

const symbolOf = new Map<string, string>()
{
  let code = 0
  for (let length = 5; length <= 15; length += 1) {
    for (const symbol of symbolsByLength.get(length) ?? '') {
      symbolOf.set(code.toString(2).padStart(length, '0'), symbol)
      code += 1
    }
    code *= 2
  }
}

function decodeHuffman(bytes: Buffer): string {
  let text = ''
  let code = ''
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, '0')) {
      code += bit
      const symbol = symbolOf.get(code)
      if (symbol === undefined) continue
      text += symbol
      code = ''
    }
  }
  if (!/^1{0,7}$/.test(code)) throw new Error('a symbol that tests do not expect')
  return text
}
