import type { ProtectedRoute } from '../../model/route.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { exchangeAtGate } from './gate-exchange.ts'
import type { Outcome, Outcomes } from './outcome.ts'
import { createAskRules } from './policies.ts'
import { exchangeByClient, machineTokens } from './server-exchange.ts'
import type { Gate, ServerClient, System, TokenServer } from './system.ts'
import type { TokenClass } from './token-class.ts'

/** How one token becomes another. */
export type Via =
  | { readonly kind: 'route'; readonly gate: Gate; readonly route: ProtectedRoute }
  /** A client of a token service that no sidecar stands for, or that may use another grant besides. */
  | {
      readonly kind: 'client'
      readonly server: TokenServer
      readonly client: ServerClient
      readonly grant: string
    }

/** Everything that a system does with tokens. */
export interface Exchanges {
  /** Every route and client that can exchange. */
  readonly ways: readonly Via[]
  /** What a way makes of a class of tokens. */
  exchange(via: Via, token: TokenClass): Outcomes
  /** Tokens that clients have for themselves. */
  machineTokens(): readonly { readonly via: Via; readonly outcome: Outcome }[]
}

/**
 * Prepares a system. A client whose sidecar is here exchanges only as the routes say: the sidecar has its credentials, and the
 * service behind does not.
 */
export function createExchanges(system: System): Exchanges {
  const servers = new Map(system.servers.map(server => [server.issuer, server]))
  const askRules = createAskRules()
  return {
    ways: [...routesOf(system), ...clientsOf(system)],
    exchange(via, token) {
      if (via.kind === 'client') return exchangeByClient(via.server, via.client, via.grant, token, askRules)
      const { gate, route } = via
      return exchangeAtGate(gate, route, token, { server: servers.get(gate.server), askRules })
    },
    machineTokens() {
      return system.servers.flatMap(server =>
        server.clients.flatMap(client => {
          const via: Via = { kind: 'client', server, client, grant: grantType.clientCredentials }
          return machineTokens(server, client, askRules).map(outcome => ({ via, outcome }))
        }),
      )
    },
  }
}

function routesOf({ gates }: System): readonly Via[] {
  return gates.flatMap(gate => gate.routes.map(route => ({ kind: 'route', gate, route }) as const))
}

function clientsOf({ gates, servers }: System): readonly Via[] {
  return servers.flatMap(server =>
    server.clients.flatMap(client => {
      const hasGate = gates.some(gate => gate.server === server.issuer && gate.client === client.id)
      return [...(hasGate ? [] : [grantType.tokenExchange]), grantType.jwtBearer]
        .filter(grant => client.grants.has(grant))
        .map(grant => ({ kind: 'client', server, client, grant }) as const)
    }),
  )
}
