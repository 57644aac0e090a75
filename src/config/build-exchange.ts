import { buildClient, type ClientLookup } from './build-client.ts'
import { ephemeralSecret } from './build-sts.ts'
import type { ExchangeConfig, StsConfig } from './sidecar-config.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** Turns a validated `exchange` into its configuration; without a server it leads to the embedded token service. */
export function buildExchange(
  { service, exchange }: SidecarInput,
  sts: StsConfig | undefined,
  lookup: ClientLookup,
): ExchangeConfig {
  const common = {
    timeoutMs: exchange.timeout,
    marginSeconds: exchange.margin,
    negativeSeconds: exchange.negative,
    actor: exchange.actor,
    algorithms: exchange.algorithms,
  }
  if (sts !== undefined) {
    const client = { id: service, authentication: 'client_secret_basic', secret: ephemeralSecret() } as const
    return { ...common, server: sts.issuer, client, plaintext: true }
  }
  const { server, client, plaintext } = exchange
  if (server === undefined || client === undefined) throw new Error('neither a server nor a token service')
  return {
    ...common,
    server,
    client: buildClient(service, client, ['exchange', 'client'], lookup),
    plaintext,
  }
}
