import { type Refusal, refusal } from '../../../model/refusal.ts'
import { upstreamFailure } from '../upstream-failure.ts'

/** Codes with which the end that reads a message says that it is malformed (RFC 9113 §7, §8.1.1). */
const malformed: ReadonlySet<string> = new Set([
  'PROTOCOL_ERROR',
  'FLOW_CONTROL_ERROR',
  'FRAME_SIZE_ERROR',
  'COMPRESSION_ERROR',
])

/**
 * Tells what the end of a stream means for the caller.
 *
 * @param code of the RST_STREAM, whoever sent it
 */
export function streamFailure(code: number): Refusal {
  const name = errorName(code)
  // Node's HTTP/2 says this itself, and to a header section that is longer than was agreed.
  if (name === 'ENHANCE_YOUR_CALM')
    return refusal('upstream.malformed', 'a header section that is too large, or no wish for more requests')
  if (malformed.has(name)) return refusal('upstream.malformed', `a stream reset with ${name}`)
  return refusal('upstream.unreachable', `a stream reset with ${name}`)
}

/** Tells what the end of a connection means for the calls on it. Keeps names of errors, never a text. */
export function sessionFailure(error: Error | undefined): Refusal {
  if (error === undefined) return refusal('upstream.unreachable', 'the connection closed before the response')
  const code = 'code' in error ? error.code : undefined
  // What Node's HTTP/2 reader says of bytes that are no HTTP/2.
  if (code === 'ERR_HTTP2_ERROR') return refusal('upstream.malformed', 'bytes that are no HTTP/2')
  return upstreamFailure(error)
}

const errorNames: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
]

/** The name of an error code (RFC 9113 §7). */
export function errorName(code: number): string {
  return errorNames[code] ?? `code ${code}`
}
