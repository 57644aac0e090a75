import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Host and port; port 0 lets the system choose. */
interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Starts listening.
 *
 * @returns where it listens, with the port that the system chose
 * @throws the system's error when the address is taken, not allowed or not this machine's
 */
export function listen(server: Server, address: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, () => {
      server.removeListener('error', reject)
      const { address: host, port } = server.address() as AddressInfo
      resolve({ host, port })
    })
  })
}

/** Stops listening, lets requests under way end within `graceMs`, then breaks off what is left. */
export function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return Promise.resolve()
  return new Promise(resolve => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
