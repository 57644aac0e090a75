import { type RunningHop, startHop } from './start-hop.ts'
import { decodeClaims } from './token-service.ts'
import type { RecordedRequest } from './upstream.ts'

/** A sidecar `orders` with a route for machines, one with dual identity and a usual one. */
export function startMachineHop(
  more = '',
  extra: Partial<Parameters<typeof startHop>[0]> = {},
): Promise<RunningHop> {
  return startHop({
    routes: `
  - { path: /jobs/**, audience: jobs-api, scope: jobs:run, optional_scope: jobs:stop, mode: machine, ttl: 60s }
  - { path: /dual/**, audience: jobs-api, scope: jobs:run, identity: dual, ttl: 60s }
  - { path: /orders/**, audience: orders-api, scope: orders:read }
  - { path: /public/**, public: true }
`,
    more: `context: { trust_domain: shop.example }\n${more}`,
    ...extra,
  })
}

/** A token by which the client `batch` acts for itself. */
export function machineToken(hop: RunningHop, claims: Record<string, unknown> = {}): Promise<string> {
  return hop.issuer.sign({ sub: 'batch', client_id: 'batch', scope: 'jobs:run orders:read', ...claims })
}

export function userToken(hop: RunningHop, claims: Record<string, unknown> = {}): Promise<string> {
  return hop.issuer.sign({ scope: 'jobs:run orders:read', ...claims })
}

export function call(
  hop: RunningHop,
  path: string,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${hop.url}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } })
}

/** The claims of the token that upstream got in `Authorization`. */
export function bearerClaims(request: RecordedRequest): Readonly<Record<string, unknown>> {
  return decodeClaims((request.header('authorization') ?? '').slice('Bearer '.length))
}
