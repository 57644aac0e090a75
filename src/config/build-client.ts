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
  const {
    key,
    token,
    authentication = key === undefined ? 'client_secret_basic' : 'private_key_jwt',
  } = client
  switch (authentication) {
    case 'client_secret_basic':
    case 'client_secret_post':
      return { id, authentication, secret: secretAt([...path, 'secret']) }
    case 'private_key_jwt':
      return {
        id,
        authentication,
        key: files.resolve(key ?? ''),
        assertionAudience: client.assertion_audience ?? 'issuer',
      }
    case 'kubernetes':
    case 'spiffe_jwt':
      return { id, authentication, token: files.resolve(token ?? '') }
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
    case 'spiffe_x509':
      return { id, authentication }
  }
}
