import { connectionOptions, removeFields } from '../../base/connection-options.ts'
import type { Secret } from '../../base/secret.ts'
import { bearerChallenge, type ProtectionSpace } from '../../oauth/challenge.ts'

/** What becomes of a response field, by its name. */
type Destiny = 'forwarded' | 'dropped' | 'connection' | 'challenge'

/** Fields that end at this hop (RFC 9110 §7.6.1), and request credentials that no response has reason to hold. */
const dropped: ReadonlySet<string> = new Set([
  'authorization',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'txn-token',
  'upgrade',
])

/** Fields that must not come late: framing, routing and credentials (RFC 9110 §6.5.1). */
export const notInTrailers: ReadonlySet<string> = new Set([
  ...dropped,
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'host',
  'set-cookie',
  'www-authenticate',
])

/**
 * The header section that the caller gets, as a flat list for `writeHead`. Names and values keep their bytes: they are
 * read and written as Latin-1.
 *
 * A challenge of the upstream names a token that the caller never held, so it is replaced by a bare one; a step-up
 * challenge (RFC 9470) is for the caller and passes.
 *
 * @param space for the replaced challenge; undefined on a public route, where upstream's challenge is its own affair
 * @param issued what upstream got in the request and must not hand on: a field that holds it is dropped
 */
export function responseHeaders(
  raw: readonly string[],
  space: ProtectionSpace | undefined,
  issued?: Secret,
): string[] {
  const fields: string[] = []
  const challenges: string[] = []
  let connection: string | undefined
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    if (issued?.isIn(value)) continue
    switch (destinyOf(name)) {
      case 'forwarded':
        fields.push(name, value)
        break
      case 'dropped':
        break
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`
        break
      case 'challenge':
        challenges.push(value)
        break
    }
  }
  if (challenges.length > 0) pushChallenges(fields, challenges, space)
  if (connection !== undefined && connection !== 'keep-alive' && connection !== 'close') {
    const nominated = new Set(connectionOptions(connection))
    // Dropping the length would change where the message ends.
    nominated.delete('content-length')
    removeFields(fields, nominated)
  }
  return fields
}

/** The trailer fields that may follow a response; `issued` as for {@link responseHeaders}. */
export function responseTrailers(raw: readonly string[], issued?: Secret): [name: string, value: string][] {
  const fields: [string, string][] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    if (!notInTrailers.has(name.toLowerCase()) && !issued?.isIn(value)) fields.push([name, value])
  }
  return fields
}

/** A reason phrase is for human readers and means nothing (RFC 9110 §15); one that is not plain ASCII is left out. */
export function reasonPhrase(phrase: string, issued?: Secret): string {
  return /^[\x20-\x7e]*$/.test(phrase) && !issued?.isIn(phrase) ? phrase : ''
}

/** Remembered by the exact spelling; an upstream has few, and the bound is for one that makes them up. */
const destinies = new Map<string, Destiny>()
const destiniesLimit = 1_000

function destinyOf(name: string): Destiny {
  let destiny = destinies.get(name)
  if (destiny === undefined) {
    if (destinies.size >= destiniesLimit) destinies.clear()
    destiny = classify(name.toLowerCase())
    destinies.set(name, destiny)
  }
  return destiny
}

function classify(name: string): Destiny {
  if (name === 'connection') return 'connection'
  if (name === 'www-authenticate') return 'challenge'
  return dropped.has(name) ? 'dropped' : 'forwarded'
}

function pushChallenges(
  fields: string[],
  challenges: readonly string[],
  space: ProtectionSpace | undefined,
): void {
  const stepUp = challenges.filter(challenge =>
    challenge.includes('error="insufficient_user_authentication"'),
  )
  const shown = space === undefined ? challenges : stepUp.length > 0 ? stepUp : [bearerChallenge(space)]
  for (const challenge of shown) fields.push('WWW-Authenticate', challenge)
}
