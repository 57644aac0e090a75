import type { Socket } from 'node:net'

/** How a client of HTTP/2 begins a connection (RFC 9113 §3.4). No request of HTTP/1.1 begins with it. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/**
 * Looks at a plain connection's first bytes, and tells what is spoken on it. The bytes stay to be read. Nobody is told
 * when the connection ends before; how long it may say nothing is looked after elsewhere.
 */
export function readProtocol(socket: Socket, tell: (protocol: 'http1' | 'http2') => void): void {
  let seen: Buffer | undefined
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    seen = seen === undefined ? chunk : Buffer.concat([seen, chunk])
    const length = Math.min(seen.length, preface.length)
    const isPreface = seen.compare(preface, 0, length, 0, length) === 0
    if (isPreface && length < preface.length) return
    socket.off('readable', onReadable).off('end', onGone).off('error', onGone)
    socket.unshift(seen)
    tell(isPreface ? 'http2' : 'http1')
  }
  const onGone = (): void => {
    socket.destroy()
  }
  socket.on('readable', onReadable).on('end', onGone).on('error', onGone)
}
