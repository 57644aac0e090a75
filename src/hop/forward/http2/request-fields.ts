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

/**
 * The header section of a request as HTTP/2 has it (RFC 9113 §8.3.1): pseudo-header fields first, `Host` as
 * `:authority`, lower-case names, and nothing that is about a connection.
 *
 * @returns name, value, name, value, …
 * @throws TypeError for a value that would become a field of its own
 */
export function requestFields(request: UpstreamRequest, scheme: 'http' | 'https'): string[] {
  const { method, target, fields, acceptsTrailers } = request
  let authority = ''
  const list = [':method', method, ':scheme', scheme, ':authority', '', ':path', target]
  for (let index = 0; index < fields.length; index += 2) {
    const name = lowerCase(fields[index] as string)
    const value = fields[index + 1] as string
    if (delimiter.test(value)) throw new TypeError('a field value with a line end')
    if (name === 'host') authority = value
    else if (!connectionSpecific.has(name)) list.push(name, value)
  }
  list[5] = authority
  if (acceptsTrailers) list.push('te', 'trailers')
  return list
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
