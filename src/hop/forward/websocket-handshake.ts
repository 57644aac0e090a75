import { createHash } from 'node:crypto'
import { connectionOptions } from '../../base/connection-options.ts'
import { fieldValues } from '../../base/field-values.ts'

/** What an answer proves its reading of the request with (RFC 6455 §1.3). */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Why an answer with 101 opens no WebSocket, in a few words without its text; undefined when it does (RFC 6455 §4.1).
 *
 * The caller would find out as well, but by then the bytes of both ends pass unread: whoever is behind must have read
 * this very request, and as a WebSocket's.
 *
 * @param request the fields that upstream got: name, value, name, value, …
 * @param answer the fields that it answered with
 */
export function findHandshakeFlaw(request: readonly string[], answer: readonly string[]): string | undefined {
  const upgrade = fieldValues(answer, 'upgrade')
  if (upgrade.length !== 1 || upgrade[0]?.toLowerCase() !== 'websocket')
    return 'a switch to a protocol that nobody asked for'
  if (!connectionOptions(fieldValues(answer, 'connection').join(',')).includes('upgrade'))
    return 'a switch that Connection does not name'
  if (fieldValues(answer, 'content-length').length + fieldValues(answer, 'transfer-encoding').length > 0)
    return 'a switch with a body'
  const [key, ...furtherKeys] = fieldValues(request, 'sec-websocket-key')
  const [accept, ...furtherAccepts] = fieldValues(answer, 'sec-websocket-accept')
  if (key === undefined || furtherKeys.length > 0 || furtherAccepts.length > 0 || accept !== acceptOf(key))
    return 'a Sec-WebSocket-Accept that does not answer the key'
  return undefined
}

/** The `Sec-WebSocket-Accept` that answers a key. */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + guid, 'latin1')
    .digest('base64')
}
