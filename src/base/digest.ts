import { hash } from 'node:crypto'

/**
 * SHA-256 over a label and fields, each preceded by its length in bytes, so that no two different lists of fields
 * give the same input (`['a','bc']` and `['ab','c']` differ; so do `undefined` and `''`).
 *
 * @param label separates one use of this function from every other
 */
export function digestFields(label: string, fields: readonly (string | undefined)[]): Buffer {
  return hash('sha256', joinFields(label, fields), 'buffer')
}

/** {@link digestFields} in base64url without padding, which costs half of what making it of the bytes does. */
export function digestFieldsBase64Url(label: string, fields: readonly (string | undefined)[]): string {
  return hash('sha256', joinFields(label, fields), 'base64url')
}

function joinFields(label: string, fields: readonly (string | undefined)[]): string {
  let input = `${Buffer.byteLength(label)}:${label}`
  for (const field of fields) {
    input += field === undefined ? '-;' : `${Buffer.byteLength(field)}:${field};`
  }
  return input
}

/** SHA-256 of one string, base64url without padding. */
export function sha256Base64Url(value: string): string {
  return hash('sha256', value, 'base64url')
}
