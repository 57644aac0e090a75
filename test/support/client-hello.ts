import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'

/**
 * Makes a TLS handshake whose first packet, the ClientHello, is altered on its way to the server.
 *
 * @returns the code of the error that it ended with; `secure` when it did not
 */
export async function connectAltered(
  port: number,
  options: ConnectionOptions,
  alter: (bytes: Buffer) => void,
): Promise<string> {
  let failed: unknown
  const relay = createServer(inner => {
    const outer = connectTcp(port, '127.0.0.1')
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
    inner.once('data', (bytes: Buffer) => {
      try {
        alter(bytes)
      } catch (cause) {
        failed = cause
      }
      outer.write(bytes)
      inner.pipe(outer)
    })
    outer.pipe(inner)
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const socket = connect({ ...options, port: (relay.address() as AddressInfo).port })
  const outcome = await new Promise<string>(resolve => {
    socket.once('secureConnect', () => resolve('secure'))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve('ECONNRESET'))
  })
  socket.destroy()
  relay.close()
  if (failed !== undefined) throw failed
  return outcome
}
