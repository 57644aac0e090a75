import { METHODS } from 'node:http'
import type { HeaderFlaw } from '../../../base/http-caller.ts'

/** The header section of a request, in the shape that HTTP/1.1 gives it. */
export interface RequestHead {
  readonly method: string
  /** Path and query; the authority of a CONNECT. */
  readonly target: string
  /** Name, value, name, value, … with `Host` for `:authority` (RFC 9113 §8.3.1) and one `cookie` (§8.2.3). */
  readonly fields: readonly string[]
  readonly flaw: HeaderFlaw | undefined
}

/** What becomes of a field, by its name. */
type FieldKind = 'plain' | 'host' | 'cookie' | 'connection' | 'invalid'

const fieldName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** What would end a line or a text for somebody, and other controls that HTTP/1.1 parsers refuse. */
const control = /[\0-\x08\x0a-\x1f\x7f]/
/** Methods that the HTTP/1.1 parser knows. What it refuses must not come in by another door. */
const methods: ReadonlySet<string> = new Set(METHODS)

/** Fields that HTTP/2 must not have (RFC 9113 §8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** What RFC 9113 §6.5.2 counts for each field beside its bytes. */
const fieldOverheadBytes = 32

/**
 * Reads the header section that Node's HTTP/2 hands over. Node drops a field that is not well formed instead of refusing
 * the request, so nothing here trusts that what is missing was not sent; and whatever did arrive is looked at again,
 * since a name or value that ends a line would be another request for an HTTP/1.1 upstream.
 *
 * @param raw name, value, name, value, …; unlike the object that Node makes of them it shows repeated fields
 */
export function readRequestHead(raw: readonly string[], maxBytes: number): RequestHead {
  let method = ''
  let path: string | undefined
  let authority: string | undefined
  let scheme: string | undefined
  let cookie: string | undefined
  let bytes = 0
  let malformed: string | undefined
  const hosts: string[] = []
  const fields: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    bytes += name.length + value.length + fieldOverheadBytes
    if (isMalformedValue(value)) malformed = 'a field value with a control character or outer blanks'
    if (name === ':method') method = value
    else if (name === ':path') path = value
    else if (name === ':authority') authority = value
    else if (name === ':scheme') scheme = value
    else {
      const kind = kindOf(name)
      if (kind === 'plain') fields.push(name, value)
      else if (kind === 'host') hosts.push(value)
      else if (kind === 'cookie') cookie = cookie === undefined ? value : `${cookie}; ${value}`
      else
        malformed = kind === 'connection' ? 'a field about an HTTP/1.1 connection' : 'an invalid field name'
    }
  }
  if (cookie !== undefined) fields.push('cookie', cookie)
  pushHosts(fields, authority, hosts)
  if (!methods.has(method)) malformed = 'a method that HTTP/1.1 does not know'
  if (method !== 'CONNECT' && scheme !== 'http' && scheme !== 'https') malformed = 'a scheme other than http'
  return {
    method,
    target: path ?? authority ?? '',
    fields,
    flaw:
      bytes > maxBytes
        ? { kind: 'too large', detail: `a header section of ${bytes} bytes` }
        : malformed === undefined
          ? undefined
          : { kind: 'malformed', detail: malformed },
  }
}

/** Name, value, … of a trailer section, without the fields that Node would drop as well were it as strict there. */
export function readTrailers(raw: readonly string[]): readonly string[] {
  const fields: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    if (kindOf(name) !== 'invalid' && !isMalformedValue(value)) fields.push(name, value)
  }
  return fields
}

/** `:authority` is the `Host`. One that says something else is kept beside it, and refused as a second one. */
function pushHosts(fields: string[], authority: string | undefined, hosts: readonly string[]): void {
  if (authority !== undefined) fields.push('Host', authority)
  for (const host of hosts) {
    if (authority === undefined || host.toLowerCase() !== authority.toLowerCase()) fields.push('Host', host)
  }
}

function isMalformedValue(value: string): boolean {
  return control.test(value) || isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1))
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Remembered, so that a request's usual names cost one lookup each; bounded, since callers choose them. */
const remembered = new Map<string, FieldKind>()
const rememberedLimit = 2_000

function kindOf(name: string): FieldKind {
  let kind = remembered.get(name)
  if (kind === undefined) {
    if (remembered.size >= rememberedLimit) remembered.clear()
    kind = classify(name)
    remembered.set(name, kind)
  }
  return kind
}

function classify(name: string): FieldKind {
  if (name === 'host' || name === 'cookie') return name
  if (connectionFields.has(name)) return 'connection'
  return fieldName.test(name) ? 'plain' : 'invalid'
}
