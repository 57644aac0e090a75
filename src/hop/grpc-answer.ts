import { isGrpc } from '../base/grpc-request.ts'
import type { CallerRequest } from '../base/http-caller.ts'
import type { RefusalAnswer } from '../model/refusal.ts'

/** Status codes of gRPC (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
const grpcStatus = {
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

/** What gRPC clients make of a status of HTTP (http-grpc-status-mapping), and what fits better where they know none. */
const statusOf: ReadonlyMap<number, number> = new Map([
  [400, grpcStatus.internal],
  [401, grpcStatus.unauthenticated],
  [403, grpcStatus.permissionDenied],
  [404, grpcStatus.unimplemented],
  [405, grpcStatus.unimplemented],
  [408, grpcStatus.deadlineExceeded],
  [413, grpcStatus.resourceExhausted],
  [414, grpcStatus.resourceExhausted],
  [429, grpcStatus.unavailable],
  [431, grpcStatus.resourceExhausted],
  [499, grpcStatus.cancelled],
  [500, grpcStatus.internal],
  [501, grpcStatus.unimplemented],
  [502, grpcStatus.unavailable],
  [503, grpcStatus.unavailable],
  // Clients may call again what is unavailable; what took too long may have been done.
  [504, grpcStatus.deadlineExceeded],
])

/** Whether a request is a gRPC call, which understands no other answer than gRPC's. */
export function isGrpcCall({
  httpVersion,
  rawHeaders,
}: Pick<CallerRequest, 'httpVersion' | 'rawHeaders'>): boolean {
  if (httpVersion !== '2.0') return false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index] === 'content-type') return isGrpc(rawHeaders[index + 1] ?? '')
  }
  return false
}

/** The fields that say with a header section alone (Trailers-Only) how a gRPC call failed; the HTTP status is 200. */
export function grpcFields({ status, title }: RefusalAnswer): string[] {
  return [
    'Content-Type',
    'application/grpc',
    'grpc-status',
    String(statusOf.get(status) ?? grpcStatus.unknown),
    'grpc-message',
    percentEncode(title),
  ]
}

/** The coding of `grpc-message`: bytes of UTF-8 outside visible ASCII and space, and `%`. */
function percentEncode(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
