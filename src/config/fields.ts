import { isIP } from 'node:net'
import { z } from 'zod'
import { fail, ok, type Result } from '../base/result.ts'
import { isSpiffeId } from '../base/spiffe-id.ts'
import { parsePathPattern } from '../model/path-pattern.ts'
import { parseScope, type ScopeSet, scopeSet } from '../oauth/scope-set.ts'
import type { IssueDetail } from './issue-detail.ts'
import type { ListenAddress } from './sidecar-config.ts'
import { isCanonicalHost, parseStrictUrl, type UrlShape } from './strict-url.ts'

/** How a field is described to authors. */
interface FieldShape {
  /** What is expected, to follow "expected": `a duration such as 30s`. */
  readonly title: string
  /** For editors only; the parser decides. */
  readonly pattern?: string
  /** The value may hold a password by mistake and is never shown. */
  readonly hidden?: boolean
}

/** A field that is written as text and parsed. The parser's error follows "which"; empty when there is no more to say. */
export function parsedText<T>(shape: FieldShape, parse: (text: string) => Result<T, string>) {
  return z
    .string()
    .transform((text, context) => {
      const parsed = parse(text)
      if (parsed.ok) return parsed.value
      const params: IssueDetail = {
        ...(parsed.error !== '' && { wrong: parsed.error }),
        ...(shape.hidden === true && { hidden: true }),
      }
      context.issues.push({ code: 'custom', input: text, params: { ...params } })
      return z.NEVER
    })
    .meta({ title: shape.title, ...(shape.pattern !== undefined && { pattern: shape.pattern }) })
}

function matching(title: string, pattern: RegExp) {
  return parsedText({ title, pattern: pattern.source }, text => (pattern.test(text) ? ok(text) : fail('')))
}

/** `true` or `false`, also as the text that a reference to the environment gives. */
export const flag = z
  .preprocess(value => (value === 'true' ? true : value === 'false' ? false : value), z.boolean())
  .meta({ title: 'true or false' })

/** A whole number, also as the text that a reference to the environment gives. */
export function wholeNumber(least: number, most: number) {
  return z
    .preprocess(
      value => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
      z.number().int().min(least).max(most),
    )
    .meta({ title: `a whole number from ${least} to ${most}` })
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads `500ms`, `30s`, `5m`, `24h` or `7d` as milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  return match === null ? undefined : Number(match[1]) * (unitMs[match[2] ?? ''] ?? Number.NaN)
}

/** A duration, in milliseconds. */
export function durationMs(least: string, most: string) {
  return duration(least, most, '^\\d+(ms|s|m|h|d)$')
}

/** A duration in whole seconds. */
export function durationSeconds(least: string, most: string) {
  return duration(least, most, '^\\d+(s|m|h|d)$', true).transform(ms => ms / 1000)
}

function duration(least: string, most: string, pattern: string, wholeSeconds = false) {
  const from = parseDuration(least) ?? 0
  const to = parseDuration(most) ?? 0
  const title = `a duration such as 30s, from ${least} to ${most}`
  return parsedText({ title, pattern }, text => {
    const ms = parseDuration(text)
    if (ms === undefined) return fail('')
    if (wholeSeconds && ms % 1000 !== 0) return fail('is not in whole seconds')
    return ms >= from && ms <= to ? ok(ms) : fail('is out of range')
  })
}

const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** A size, in bytes. */
export function sizeBytes(least: number, most: number) {
  const title = 'a size such as 16KiB'
  return parsedText({ title, pattern: '^\\d+(B|KiB|MiB|GiB)$' }, text => {
    const match = /^(\d{1,9})(B|KiB|MiB|GiB)$/.exec(text)
    if (match === null) return fail('')
    const bytes = Number(match[1]) * (unitBytes[match[2] ?? ''] ?? Number.NaN)
    return bytes >= least && bytes <= most ? ok(bytes) : fail('is out of range')
  })
}

/** A name for logs, metrics, `Via` (RFC 9110 §7.6.3) and client identifiers. */
export const name = matching('a name of letters, digits, . _ and -', /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/)

/** A client identifier (RFC 6749 appendix A.1), without blanks. */
export const clientId = matching('a client identifier: visible ASCII without blanks', /^[\x21-\x7e]{1,512}$/)

/** What tickets are for: words of the author's. */
export const purposes = z.array(name).min(1).meta({ title: 'a list of purposes' })

/** An audience: one word of visible ASCII, compared byte for byte. */
export const audience = matching('an audience: visible ASCII without blanks', /^[\x21-\x7e]{1,512}$/)

/** A resource indicator (RFC 8707 §2): an absolute URI without fragment. */
export const resource = parsedText({ title: 'an absolute URI without fragment', hidden: true }, text => {
  if (!/^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return fail('')
  const url = new URL(text)
  if (text.includes('#')) return fail('has a fragment')
  if (url.username !== '' || url.password !== '') return fail('has user information')
  return url.href === text || url.href === `${text}/` ? ok(text) : fail('is not in canonical form')
})

/** A file, relative to the folder of the configuration. */
export const filePath = matching('the path of a file', /^[^\0]{1,4096}$/)

/** A prefix for Redis keys. */
export const keyPrefix = matching('up to 64 visible ASCII characters', /^[\x21-\x7e]{1,64}$/)

/** An accepted `typ` header value. */
export const tokenTypeHeader = matching(
  'a lower-case typ without application/, such as at+jwt, or none',
  /^[a-z0-9!#$&^_.+-]{1,64}$/,
)

/** A list of scope tokens, as one text with single blanks or as a list. */
export const scope = z
  .union([
    parsedText({ title: 'scopes with single blanks between them, or a list of scopes' }, text => {
      const parsed = parseScope(text)
      return parsed === undefined ? fail('has a character that no scope may have') : ok(parsed)
    }),
    z
      .array(
        parsedText({ title: 'one scope: visible ASCII without blanks, " and \\' }, text => {
          const parsed = parseScope(text)
          return parsed?.length === 1 ? ok(text) : fail('')
        }),
      )
      .transform((tokens): ScopeSet => scopeSet(tokens)),
  ])
  .meta({ title: 'scopes with single blanks between them, or a list of scopes' })

/** A URL that is checked by {@link parseStrictUrl} and never shown in a message. */
export function strictUrl(title: string, shape: UrlShape) {
  return parsedText({ title, hidden: true }, text => parseStrictUrl(text, shape))
}

/** `host:port` to listen on. */
export const listenAddress = parsedText(
  { title: 'host:port such as 0.0.0.0:8080 or [::]:8080', pattern: '^(\\[[0-9a-f:.]+\\]|[^:]+):\\d{1,5}$' },
  (text): Result<ListenAddress, string> => {
    const match = /^(\[[^\]]+\]|[^:[\]]+):(0|[1-9]\d{0,4})$/.exec(text)
    const [, host = '', port = ''] = match ?? []
    if (match === null || !isCanonicalHost(host) || Number(port) > 65_535) return fail('')
    return ok({ host: host.replace(/^\[|\]$/g, ''), port: Number(port) })
  },
)

/** The origin of a page as browsers write it (RFC 6454 §6.2). Not `null`, which any page can make its own. */
export const origin = parsedText(
  { title: 'an origin such as https://app.example.com', hidden: true },
  text => {
    const [, scheme = ''] = /^([a-z][a-z0-9+.-]*:)\/\//.exec(text) ?? []
    const parsed = parseStrictUrl(text, { schemes: [scheme] })
    if (!parsed.ok) return parsed
    const written = `${parsed.value.protocol}//${parsed.value.host}`
    return written === text ? ok(text) : fail('is not as browsers write it')
  },
)

/** The host that a route is for. */
export const routeHost = parsedText({ title: 'a lower-case host without port' }, text =>
  isCanonicalHost(text) ? ok(text) : fail(''),
)

/** The path pattern of a route. */
export const routePath = parsedText(
  { title: 'a path such as /orders/{id}/items or /orders/**', pattern: '^/' },
  text => {
    const parsed = parsePathPattern(text)
    return parsed.ok ? ok(text) : parsed
  },
)

/** An address, or a block in CIDR notation. */
export const addressBlock = parsedText({ title: 'an IP address or a block such as 10.0.0.0/8' }, text => {
  const [address = '', bits, more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || address.includes('%') || more !== undefined) return fail('')
  if (bits === undefined) return ok(text)
  if (!/^(0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) return fail('')
  return ok(text)
})

/** The SPIFFE ID of a workload. */
export const spiffeId = parsedText(
  { title: 'a SPIFFE ID such as spiffe://example.org/orders', pattern: '^spiffe://[a-z0-9._-]+/' },
  text => (isSpiffeId(text) ? ok(text) : fail('')),
)

/** The SPIFFE IDs that a peer may have. */
export const spiffeIds = z.array(spiffeId).min(1).meta({ title: 'a list of SPIFFE IDs' })
