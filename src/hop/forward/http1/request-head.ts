import type { UpstreamRequest } from '../upstream-client.ts'

/** Methods whose message without a body says so (RFC 9110 §8.6). */
const usuallyWithBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** What has no byte of its own in Latin-1: writing it anyway would make some letters a line end. */
const notLatin1 = /[^\0-\xff]/

/**
 * The head of a request as it goes over the wire (RFC 9112 §3), with the one field that frames its body.
 *
 * The fields are taken as they are: what came from a caller was read by a parser that lets no line end through, and
 * what Hopgate adds is made of texts that hold none.
 *
 * @throws TypeError for a text with characters beyond Latin-1
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
  head += '\r\n'
  if (notLatin1.test(head)) throw new TypeError('a request head with characters beyond Latin-1')
  return head
}

function hasLength(fields: readonly string[]): boolean {
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index]?.toLowerCase() === 'content-length') return true
  }
  return false
}
