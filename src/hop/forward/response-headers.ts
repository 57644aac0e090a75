import { bearerChallenge } from '../../oauth/challenge.ts'

/** A header section as undici parsed it: lower-case names, an array where a field was repeated. */
export type ParsedHeaders = Readonly<Record<string, string | string[] | undefined>>

/** Fields that end at this hop (RFC 9110 §7.6.1), and request credentials that no response has reason to hold. */
const notForwarded: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Fields that must not come late: framing, routing and credentials (RFC 9110 §6.5.1). */
const notInTrailers: ReadonlySet<string> = new Set([
  ...notForwarded,
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'set-cookie',
  'www-authenticate',
])

/**
 * The header section that the caller gets, as a flat list for `writeHead`.
 *
 * A challenge of the upstream names a token that the caller never held, so it is replaced by a bare one; a step-up
 * challenge (RFC 9470) is for the caller and passes.
 *
 * @param realm for the replaced challenge; undefined on a public route, where upstream's challenge is its own affair
 */
export function responseHeaders(headers: ParsedHeaders, realm: string | undefined): string[] {
  const nominated = headers['connection'] === undefined ? undefined : nominatedBy(headers['connection'])
  const fields: string[] = []
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || notForwarded.has(name) || nominated?.has(name) === true) continue
    if (name === 'www-authenticate' && realm !== undefined) {
      fields.push(name, stepUpChallenge(value) ?? bearerChallenge(realm))
    } else if (typeof value === 'string') {
      fields.push(name, value)
    } else {
      for (const one of value) fields.push(name, one)
    }
  }
  return fields
}

/** The trailer fields that may follow a response. */
export function responseTrailers(trailers: ParsedHeaders): [string, string][] {
  return Object.entries(trailers).flatMap(([name, value]) => {
    if (value === undefined || notInTrailers.has(name)) return []
    return (typeof value === 'string' ? [value] : value).map(one => [name, one] as [string, string])
  })
}

function nominatedBy(connection: string | string[]): ReadonlySet<string> | undefined {
  if (connection === 'keep-alive' || connection === 'close') return undefined
  const options = typeof connection === 'string' ? connection : connection.join(',')
  const names = new Set(options.split(',').map(option => option.trim().toLowerCase()))
  // Dropping the length would change where the message ends.
  names.delete('content-length')
  return names
}

function stepUpChallenge(value: string | string[]): string | undefined {
  const challenges = typeof value === 'string' ? [value] : value
  return challenges.find(challenge => challenge.includes('error="insufficient_user_authentication"'))
}
