import type { Server } from 'node:http'
import type { HttpHandler } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import { createHandlerServer, type ServeTls } from '../base/serve-handler.ts'

const maxBodyBytes = 64 * 1024
const headersTimeoutMs = 5_000
const requestTimeoutMs = 10_000

/**
 * The hub's public HTTP server, not listening yet: each request goes to the first facility that knows its path, and
 * is answered 404 when none does. Sizes and times are bounded; nothing that was received is sent back.
 */
export function createHubServer(facilities: readonly HttpHandler[], log: Log, tls?: ServeTls): Server {
  const answer: HttpHandler = async request => {
    for (const facility of facilities) {
      const response = await facility(request)
      if (response !== undefined) return response
    }
    return undefined
  }
  return createHandlerServer(answer, { maxBodyBytes, headersTimeoutMs, requestTimeoutMs, log, tls })
}
