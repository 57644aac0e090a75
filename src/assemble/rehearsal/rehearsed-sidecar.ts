import { buildStsBounds, ephemeralSecret, ownClient } from '../../config/build-sts.ts'
import type { SidecarConfig, StsConfig } from '../../config/sidecar-config.ts'
import { sidecarStsSchema } from '../../config/sts-schema.ts'
import { rehearsalAuthentication } from './rehearsal-exchange.ts'
import type { RehearsedSidecar } from './rehearse.ts'

/**
 * A sidecar with a token service that can be asked in this process: its own, where it has one inside; else one that
 * stands in for the server, with the sidecar's policy and with everything for this client that its routes need.
 */
export function rehearsedSidecar(config: SidecarConfig): RehearsedSidecar {
  const { exchange, issuers, routes, policy, environment } = config
  const { id } = exchange.client
  const own =
    config.sts?.clients.find(client => client.id === id) ?? ownClient(id, ephemeralSecret(), issuers, routes)
  const sts: StsConfig = {
    issuer: exchange.server,
    ...(config.sts ?? buildStsBounds(sidecarStsSchema.parse({}))),
    keys: undefined,
    algorithm: 'ES256',
    issuers: (config.sts?.issuers ?? issuers).filter(({ issuer }) => issuer !== exchange.server),
    clients: [{ ...own, authentication: rehearsalAuthentication }],
    clusters: [],
    trustDomains: [],
    policy,
    environment,
  }
  return { ...config, sts }
}
