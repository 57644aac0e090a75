import { ephemeralSecret } from './build-sts.ts'
import type { FileReader } from './file-reader.ts'
import type { OpenSecrets } from './secret-reference.ts'
import type { ClientCredentials, ExchangeConfig, StsConfig } from './sidecar-config.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** What the credentials of a client are looked up in. */
interface Lookup {
  readonly files: Pick<FileReader, 'resolve'>
  readonly secretAt: OpenSecrets
}

/** Turns a validated `exchange` into its configuration; without a server it leads to the embedded token service. */
export function buildExchange(
  { service, exchange }: SidecarInput,
  sts: StsConfig | undefined,
  lookup: Lookup,
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
  return { ...common, server, client: buildClient(service, client, lookup), plaintext }
}

type ClientInput = NonNullable<SidecarInput['exchange']['client']>

function buildClient(service: string, client: ClientInput, { files, secretAt }: Lookup): ClientCredentials {
  const id = client.id ?? service
  if (client.key !== undefined) {
    return {
      id,
      authentication: 'private_key_jwt',
      key: files.resolve(client.key),
      assertionAudience: client.assertion_audience ?? 'issuer',
    }
  }
  const authentication =
    client.authentication === 'client_secret_post' ? 'client_secret_post' : 'client_secret_basic'
  return { id, authentication, secret: secretAt(['exchange', 'client', 'secret']) }
}
