import { createServer } from 'node:http2'
import type { Socket } from 'node:net'
import type { Front, FrontLimits } from '../front-server.ts'

/** Speaks HTTP/2 on sockets that somebody else accepted: by prior knowledge, or by ALPN with TLS. */
export interface Http2Front {
  /** Takes over a connected socket, on which the client's connection preface comes next. */
  take(socket: Socket): void
  /** Connections that are open. */
  readonly sessions: number
  /** Takes no new request, lets those under way end, and resolves when every connection is closed. */
  drain(): Promise<void>
  /** Breaks off what is left. */
  destroy(): void
}

export function createHttp2Front(limits: FrontLimits, _front: Front): Http2Front {
  const server = createServer({ maxSendHeaderBlockLength: limits.headerBytes })
  let sessions = 0
  server.on('session', session => {
    sessions += 1
    session.once('close', () => {
      sessions -= 1
    })
  })
  return {
    take: socket => void server.emit('connection', socket),
    get sessions() {
      return sessions
    },
    async drain() {},
    destroy() {},
  }
}
