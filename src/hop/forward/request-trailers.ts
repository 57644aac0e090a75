import { classifyHeader } from '../../model/header-class.ts'
import { notInTrailers } from './response-headers.ts'

/**
 * The trailer fields of a request that may be forwarded: what would be forwarded as a header field as well, and nothing
 * that frames, routes or identifies (RFC 9110 §6.5.1). An upstream that merges trailers into headers finds no
 * credential among them.
 */
export function requestTrailers(raw: readonly string[]): readonly string[] {
  if (raw.length === 0) return raw
  const fields: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    if (classifyHeader(name) !== 'end-to-end' || notInTrailers.has(name.toLowerCase())) continue
    fields.push(name, raw[index + 1] as string)
  }
  return fields
}
