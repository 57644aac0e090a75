import { sha256Base64Url } from '../base/digest.ts'
import type { HttpRequest, HttpResponse } from '../base/http-message.ts'
import { keySetMaxAgeSeconds } from './key-set-max-age.ts'
import { methodNotAllowed } from './token-response.ts'

/**
 * Serves a document that everybody may have and keep for a while, as it is at each request. It has an `ETag` (RFC 9110
 * §8.8.3), so that who asks again for what is still the same gets a 304.
 *
 * @param read the document; the same object for as long as it is the same
 */
export function createPublicDocument(
  contentType: string,
  read: () => object,
): (request: HttpRequest) => HttpResponse {
  let document: object | undefined
  let body = ''
  let tag = ''
  return request => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed('GET, HEAD')
    const current = read()
    if (current !== document) {
      document = current
      body = JSON.stringify(current)
      tag = `"${sha256Base64Url(body)}"`
    }
    const headers = {
      'cache-control': `public, max-age=${keySetMaxAgeSeconds}`,
      etag: tag,
      'x-content-type-options': 'nosniff',
    }
    if (isKnown(tag, request.headers.get('if-none-match'))) return { status: 304, headers, body: '' }
    return {
      status: 200,
      headers: { 'content-type': contentType, ...headers },
      body: request.method === 'HEAD' ? '' : body,
    }
  }
}

/** RFC 9110 §13.1.2: any of the listed tags, compared weakly, or `*`. */
function isKnown(tag: string, listed: readonly string[] = []): boolean {
  return listed.some(value => value.trim() === '*' || value.split(',').some(one => untag(one) === tag))
}

function untag(text: string): string {
  return text.trim().replace(/^W\//, '')
}
