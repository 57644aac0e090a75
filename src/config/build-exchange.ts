import { buildClient, type ClientLookup } from './build-client.ts'
import { ephemeralSecret } from './build-sts.ts'
import type { FileReader } from './file-reader.ts'
import type { ExchangeConfig, ExchangeTls, StsConfig } from './sidecar-config.ts'
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
    return { ...common, server: sts.issuer, client, tls: undefined, plaintext: true }
  }
  const { server, client, tls, plaintext } = exchange
  if (server === undefined || client === undefined) throw new Error('neither a server nor a token service')
  return {
    ...common,
    server,
    client: buildClient(service, client, ['exchange', 'client'], lookup),
    tls: tls && buildTls(tls, lookup.files),
    plaintext,
  }
}

function buildTls(
  { ca, cert, key }: NonNullable<SidecarInput['exchange']['tls']>,
  files: Pick<FileReader, 'resolve'>,
): ExchangeTls {
  const resolve = (name: string | undefined) => (name === undefined ? undefined : files.resolve(name))
  return { ca: resolve(ca), cert: resolve(cert), key: resolve(key) }
}
