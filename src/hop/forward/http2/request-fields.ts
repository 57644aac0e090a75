import { fail, ok, type Result } from '../../../base/result.ts'
import { type Refusal, refusal } from '../../../model/refusal.ts'
import type { UpstreamRequest } from '../upstream-client.ts'

/** Fields that HTTP/2 has no use for (RFC 9113 §8.2.2), and `TE`, which each hop says for itself. */
const connectionSpecific: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** What is put between names and values on their way to Node's HTTP/2, and what would end a line further on. */
const delimiter = /[\0\r\n]/

/** What each field counts beside its bytes (RFC 9113 §6.5.2). */
const overheadBytes = 32
/**
 * Servers that cannot read a header section end the connection, with everybody's requests on it: many do when one field
 * is longer than 64 KiB, or when there are more than eight CONTINUATION frames.
 */
const maxValueBytes = 65_000
const maxListBytes = 128 * 1_024

/**
 * The header section of a request as HTTP/2 has it (RFC 9113 §8.3.1): pseudo-header fields first, `Host` as
 * `:authority`, lower-case names, and nothing that is about a connection.
 *
 * @param acceptedBytes the size that upstream has said it takes (RFC 9113 §6.5.2)
 * @returns name, value, name, value, …
 */
export function requestFields(
  request: UpstreamRequest,
  scheme: 'http' | 'https',
  acceptedBytes: number,
): Result<readonly string[], Refusal> {
  const { method, target, fields, acceptsTrailers } = request
  const list = [':method', method, ':scheme', scheme, ':authority', '', ':path', target]
  let bytes = target.length + 4 * overheadBytes
  for (let index = 0; index < fields.length; index += 2) {
    const name = lowerCase(fields[index] as string)
    const value = fields[index + 1] as string
    if (delimiter.test(value)) return fail(refusal('internal', 'a field value with a line end'))
    bytes += name.length + value.length + overheadBytes
    if (value.length > maxValueBytes) bytes = Infinity
    if (name === 'host') list[5] = value
    else if (!connectionSpecific.has(name)) list.push(name, value)
  }
  if (bytes > Math.min(maxListBytes, acceptedBytes)) {
    return fail(refusal('request.header_too_large', 'more fields than an HTTP/2 upstream takes'))
  }
  if (acceptsTrailers) list.push('te', 'trailers')
  return ok(list)
}

/**
 * The trailer section of a request, as Node's HTTP/2 takes it.
 *
 * @param list name, value, name, value, …; only what may be forwarded
 */
export function trailerFields(list: readonly string[]): Record<string, string[]> {
  const fields: Record<string, string[]> = Object.create(null)
  for (let index = 0; index < list.length; index += 2) {
    const name = lowerCase(list[index] as string)
    const value = list[index + 1] as string
    if (delimiter.test(value)) continue
    fields[name] ??= []
    fields[name].push(value)
  }
  return fields
}

/** Remembered by the exact spelling; the bound is for callers that make names up. */
const lowerCased = new Map<string, string>()
const rememberedLimit = 2_000

function lowerCase(name: string): string {
  const known = lowerCased.get(name)
  if (known !== undefined) return known
  if (lowerCased.size >= rememberedLimit) lowerCased.clear()
  const lower = name.toLowerCase()
  lowerCased.set(name, lower)
  return lower
}
