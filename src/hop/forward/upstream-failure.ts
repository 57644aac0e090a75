import { type Refusal, refusal } from '../../model/refusal.ts'

/** Errors of Node's parser that mean: upstream answered, and what it answered is not HTTP or contradicts itself. */
const malformed = /^(?:ERR_HTTP_INVALID|ERR_INVALID_(?:CHAR|HTTP_TOKEN)|HPE_)/

/** Tells what a socket error means for the caller. Keeps the error's code, never its text. */
export function upstreamFailure(error: unknown): Refusal {
  const code = errorCode(error)
  if (code.endsWith('_TIMEOUT')) return refusal('upstream.timeout', code)
  return refusal(malformed.test(code) ? 'upstream.malformed' : 'upstream.unreachable', code)
}

function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
