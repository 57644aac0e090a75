import { type Refusal, refusal } from '../../model/refusal.ts'

/** Tells what an undici or socket error means for the caller. Keeps the error's code, never its text. */
export function upstreamFailure(error: unknown): Refusal {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
  if (code.endsWith('_TIMEOUT')) return refusal('upstream.timeout', code)
  if (code.startsWith('HPE_') || malformed.has(code)) return refusal('upstream.malformed', code)
  return refusal('upstream.unreachable', code)
}

const malformed: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RESPONSE',
])
