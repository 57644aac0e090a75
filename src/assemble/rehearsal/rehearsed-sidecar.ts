import { buildStsBounds, ephemeralSecret, ownClient } from '../../config/build-sts.ts'
import type { PolicySuite } from '../../config/policy-suite.ts'
import type { SidecarConfig, StsConfig } from '../../config/sidecar-config.ts'
import { sidecarStsSchema } from '../../config/sts-schema.ts'
import type { RehearsedSidecar } from './rehearse.ts'
import { rehearsalKeysOf, rehearsedClient, rehearsedHub } from './rehearsed-hub.ts'

/**
 * A sidecar with a token service that can be asked in this process: its own, where it has one inside; the hub of the
 * suite, where that is the server; else one that stands in for the server, with the sidecar's policy and with everything
 * for this client that its routes need.
 */
export function rehearsedSidecar(
  config: SidecarConfig,
  { hub, policy: instead, isForSidecars }: Pick<PolicySuite, 'hub' | 'policy' | 'isForSidecars'>,
): RehearsedSidecar {
  const { exchange, environment } = config
  const policy = isForSidecars ? instead?.document : config.policy
  if (config.sts === undefined && hub?.issuer === exchange.server) {
    const decides = {
      policy: isForSidecars ? policy : hub.policy,
      environment: hub.environment,
    }
    return { ...config, policy, sts: rehearsedHub(hub, decides) }
  }
  return { ...config, policy, sts: { ...ownTokenService(config), policy, environment } }
}

function ownTokenService({ exchange, issuers, routes, context, sts }: SidecarConfig): StsConfig {
  const { id } = exchange.client
  const own =
    sts?.clients.find(client => client.id === id) ?? ownClient(id, ephemeralSecret(), issuers, routes)
  return {
    issuer: exchange.server,
    ...(context.trustDomain !== undefined && { transactionDomain: context.trustDomain }),
    ...(sts ?? buildStsBounds(sidecarStsSchema.parse({}))),
    ...rehearsalKeysOf,
    issuers: (sts?.issuers ?? issuers).filter(({ issuer }) => issuer !== exchange.server),
    clients: [rehearsedClient(own)],
    policy: undefined,
    environment: undefined,
  }
}
