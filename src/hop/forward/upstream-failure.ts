import { type Refusal, refusal } from '../../model/refusal.ts'

/** Errors of undici that mean: upstream answered, and what it answered is not HTTP or contradicts itself. */
const malformed: ReadonlySet<string> = new Set([
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_HTTP_INVALID_STATUS_CODE',
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
  'HTTPParserError',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
])

/** Tells what an undici or socket error means for the caller. Keeps the error's code, never its text. */
export function upstreamFailure(error: unknown): Refusal {
  const code = errorCode(error)
  if (code.endsWith('_TIMEOUT')) return refusal('upstream.timeout', code)
  return refusal(malformed.has(code) ? 'upstream.malformed' : 'upstream.unreachable', code)
}

function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
