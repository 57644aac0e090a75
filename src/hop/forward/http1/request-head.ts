import type { UpstreamRequest } from '../upstream-client.ts'

/** Methods whose message without a body says so (RFC 9110 §8.6). */
const usuallyWithBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/**
 * The head of a request as it goes over the wire (RFC 9112 §3), with the one field that frames its body.
 *
 * The fields are taken as they are: what came from a caller was read by a parser that lets no line end through, and
 * what Hopgate adds is made of texts that hold none.
 */
export function writeRequestHead({ method, target, fields, body }: UpstreamRequest): string {
  let head = `${method} ${target} HTTP/1.1\r\n`
  for (let index = 0; index < fields.length; index += 2) {
    head += `${fields[index]}: ${fields[index + 1]}\r\n`
  }
  if (body !== undefined) {
    if (body.length === undefined) head += 'Transfer-Encoding: chunked\r\n'
  } else if (usuallyWithBody.has(method) && !hasLength(fields)) {
    head += 'Content-Length: 0\r\n'
  }
  return `${head}\r\n`
}

function hasLength(fields: readonly string[]): boolean {
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index]?.toLowerCase() === 'content-length') return true
  }
  return false
}
