import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that should hear nothing: it would answer everybody, and counts who connects. */
export async function startCanary(body: string) {
  let connections = 0
  const server = createServer((_, response) => response.end(body))
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    connections: () => connections,
    close: () => new Promise(resolve => server.close(resolve)),
  }
}
