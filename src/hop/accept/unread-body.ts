import type { IncomingMessage, ServerResponse } from 'node:http'

/** What is read of a body whose request was answered. */
const restBytes = 1_024 * 1_024
const restMs = 5_000
const lookMs = 20

/**
 * Ends the connection of a caller that goes on sending a body though it has its answer. To be called when the answer was
 * sent, as a listener of the response.
 *
 * Not at once: who is still writing would lose the answer with the connection (RFC 9112 §9.6), and a short rest leaves a
 * connection that can be used again.
 */
export function boundUnreadBody(this: ServerResponse): void {
  const request: IncomingMessage = this.req
  if (request.complete) return
  const { socket } = request
  const before = socket.bytesRead
  const endMs = performance.now() + restMs
  const timer = setInterval(() => {
    if (request.complete) clearInterval(timer)
    else if (socket.bytesRead - before > restBytes || performance.now() > endMs) socket.destroy()
  }, lookMs)
  socket.once('close', () => clearInterval(timer))
}
