import type { StsClient, StsConfig } from '../../config/sidecar-config.ts'
import { rehearsalAuthentication } from './rehearsal-exchange.ts'

/** What every token service of a rehearsal has instead of keys and of others' clients. */
export const rehearsalKeysOf = {
  keys: undefined,
  algorithm: 'ES256',
  clusters: [],
  trustDomains: [],
} as const satisfies Partial<StsConfig>

/** A client that authenticates as the rehearsal does. */
export function rehearsedClient(client: Omit<StsClient, 'authentication' | 'rateLimit'>): StsClient {
  return { ...client, authentication: rehearsalAuthentication, rateLimit: undefined }
}

/** A configured token service. A client that it does not know is refused, as it would be. */
export function rehearsedHub(hub: StsConfig, decides: Pick<StsConfig, 'policy' | 'environment'>): StsConfig {
  return {
    ...hub,
    ...rehearsalKeysOf,
    clients: hub.clients.map(rehearsedClient),
    ...decides,
  }
}
