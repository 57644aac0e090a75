import { isIPv4, isIPv6 } from 'node:net'
import { fail, ok, type Result } from '../base/result.ts'

/** What a URL may have beside scheme, host and port. */
export interface UrlShape {
  /** With the colon: `https:`. */
  readonly schemes: readonly string[]
  readonly path?: boolean
  readonly query?: boolean
  readonly password?: boolean
}

const parts = /^([a-z][a-z0-9+.-]*:)\/\/([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/

/**
 * Reads a URL that every parser reads alike: visible ASCII only, no user information, no fragment, a host and a path
 * that are written the way they are used. So `0127.0.0.1`, `LOCALHOST.`, `a%00.b` and full-width dots, which some
 * parser somewhere takes for another host, are errors. The error follows "which" and quotes nothing.
 */
export function parseStrictUrl(text: string, shape: UrlShape): Result<URL, string> {
  if (!/^[\x21-\x7e]+$/.test(text)) return fail('has blanks, control characters or characters outside ASCII')
  const match = parts.exec(text)
  if (match === null || !URL.canParse(text)) return fail('is not an absolute URL')
  const [, scheme = '', authority = '', path = '', query, fragment] = match
  const url = new URL(text)
  if (!shape.schemes.includes(scheme)) return fail('has another scheme')
  const at = authority.lastIndexOf('@')
  if (at >= 0 && shape.password !== true) return fail('has user information')
  const host = /^(\[[^\]]*\]|[^:]*)(?::([1-9]\d{0,4}))?$/.exec(authority.slice(at + 1))
  if (host === null || host[1] !== url.hostname || !isCanonicalHost(host[1])) {
    return fail('has a host or port that is not written in its one canonical form')
  }
  if (fragment !== undefined) return fail('has a fragment')
  if (query !== undefined && shape.query !== true) return fail('has a query')
  if (shape.path !== true && path !== '' && path !== '/') return fail('has a path')
  if (path !== '' && path !== url.pathname) return fail('has a path that is not in canonical form')
  return ok(url)
}

const hostLabels = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** Whether a host is a lower-case name, an IPv4 address in dotted decimal, or an IPv6 address in brackets. */
export function isCanonicalHost(host: string): boolean {
  if (host.startsWith('[')) return host.endsWith(']') && isIPv6(host.slice(1, -1))
  if (/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(host)) return isIPv4(host)
  return host.length <= 253 && hostLabels.test(host)
}
