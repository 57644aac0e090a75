import type { DocumentPath } from './config-problem.ts'
import type { ClientInput } from './exchange-schema.ts'
import type { FileReader } from './file-reader.ts'
import type { OpenSecrets } from './secret-reference.ts'
import type { ClientCredentials } from './sidecar-config.ts'

/** What the credentials of a client are looked up in. */
export interface ClientLookup {
  readonly files: Pick<FileReader, 'resolve'>
  readonly secretAt: OpenSecrets
}

/** Turns a validated client into credentials. `path` is where it stands, for its secret. */
export function buildClient(
  service: string,
  client: ClientInput,
  path: DocumentPath,
  { files, secretAt }: ClientLookup,
): ClientCredentials {
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
  return { id, authentication, secret: secretAt([...path, 'secret']) }
}
