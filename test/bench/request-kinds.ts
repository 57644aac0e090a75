import type { Load } from './generators/load.ts'
import type { Site } from './site.ts'

/** The load for whoever listens on a port. */
export type RequestKind = (site: Site, port: number) => Promise<Load>

/** GET with one bearer token of some 600 bytes; the answer has 100 bytes. */
export const ordinaryRequest: RequestKind = async (site, port) => ({
  url: `http://127.0.0.1:${port}/orders/17`,
  headers: { Authorization: `Bearer ${await oneToken(site)}` },
})

/** POST of 4 KB, answered with 4 KB. */
export const mediumBody: RequestKind = (site, port) => body(site, port, 4_096)

/** POST of 1 MB, answered with 1 MB. */
export const largeBody: RequestKind = (site, port) => body(site, port, 1_048_576)

/** As {@link ordinaryRequest}, over TLS on the caller's side. */
export const secureRequest: RequestKind = async (site, port) => ({
  ...(await ordinaryRequest(site, port)),
  url: `https://127.0.0.1:${port}/orders/17`,
})

/** A unary gRPC call over HTTP/2 without TLS, by prior knowledge; messages of 100 bytes each way. */
export const grpcCall: RequestKind = async (site, port) => ({
  ...(await ordinaryRequest(site, port)),
  url: `http://127.0.0.1:${port}/orders/Get`,
  bodyBytes: 100,
  isGrpc: true,
})

/** GET without credentials. */
export const anonymousRequest: RequestKind = async (_site, port) => ({
  url: `http://127.0.0.1:${port}/orders/17`,
})

async function body(site: Site, port: number, bytes: number): Promise<Load> {
  const { headers = {} } = await ordinaryRequest(site, port)
  return { url: `http://127.0.0.1:${port}/orders/${bytes}`, method: 'POST', headers, bodyBytes: bytes }
}

/** One token that outlives the run. */
export function oneToken(site: Site): Promise<string> {
  return site.login.sign(callerClaims())
}

/** What every caller's token says. */
export function callerClaims(): Readonly<Record<string, unknown>> {
  return { scope: 'orders:read', exp: Math.floor(Date.now() / 1000) + 4 * 3600 }
}
