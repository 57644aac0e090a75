import type { HttpRequest } from '../base/http-message.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type TokenError, tokenError } from './token-error.ts'

/** The parameters of a token request. A parameter that was sent empty counts as omitted (RFC 6749 §3.2). */
export interface TokenForm {
  /** The value of a parameter that may come once. */
  one(name: string): string | undefined
  /** Every value of a parameter that may repeat. */
  all(name: RepeatableParameter): readonly string[]
}

/** The only parameters that may come more than once (RFC 8693 §2.1). */
export type RepeatableParameter = 'resource' | 'audience'

const repeatable: ReadonlySet<string> = new Set<RepeatableParameter>(['resource', 'audience'])
const mediaType = /^application\/x-www-form-urlencoded[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i
const maxParameters = 64
const encoded = /[%+]/

/**
 * Reads the form of a token request, and reads it strictly: one media type, UTF-8 only, nothing in the query, no
 * content coding, no parameter twice. Names that are not known are carried along and mean nothing.
 */
export function readTokenForm(request: HttpRequest): Result<TokenForm, TokenError> {
  if (request.query !== '') return refuse('parameters belong in the body, not in the query')
  const contentTypes = request.headers.get('content-type') ?? []
  if (contentTypes.length !== 1 || !mediaType.test(contentTypes[0] ?? '')) {
    return refuse('the media type must be application/x-www-form-urlencoded in UTF-8')
  }
  if (request.headers.has('content-encoding')) return refuse('a content coding is not supported')
  const parameters = new Map<string, string[]>()
  let count = 0
  for (const pair of request.body.split('&')) {
    if (pair === '') continue
    if (++count > maxParameters) return refuse('too many parameters')
    const equals = pair.indexOf('=')
    const name = decodeFormText(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : decodeFormText(pair.slice(equals + 1))
    if (name === undefined || value === undefined) return refuse('the body is not a well-formed form')
    const values = parameters.get(name)
    if (values === undefined) parameters.set(name, [value])
    else if (repeatable.has(name)) values.push(value)
    else return refuse('a parameter is repeated')
  }
  return ok({
    one: name => parameters.get(name)?.[0] || undefined,
    all: name => (parameters.get(name) ?? []).filter(value => value !== ''),
  })
}

/** Decodes one text of a form; undefined when an escape is malformed or the bytes are not UTF-8. */
export function decodeFormText(text: string): string | undefined {
  if (!encoded.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function refuse(description: string): Result<never, TokenError> {
  return fail(tokenError('invalid_request', description))
}
