import type { Clock } from '../base/clock.ts'
import type { ClientCredentials } from '../config/sidecar-config.ts'
import type { ClientAuthentication } from './client-authentication.ts'
import { clientCertificate } from './client-certificate.ts'
import { clientSecretBasic, clientSecretPost } from './client-secret.ts'
import { privateKeyJwt } from './private-key-jwt.ts'
import { workloadTokenFile } from './workload-token-file.ts'

/** Makes the client authentication that the configuration names. Opens no file before the first use. */
export function createClientAuthentication(
  credentials: ClientCredentials,
  clock: Clock,
): ClientAuthentication {
  switch (credentials.authentication) {
    case 'client_secret_basic':
      return clientSecretBasic(credentials)
    case 'client_secret_post':
      return clientSecretPost(credentials)
    case 'private_key_jwt':
      return privateKeyJwt(credentials, clock)
    case 'kubernetes':
    case 'spiffe_jwt':
      return workloadTokenFile(credentials, clock)
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
    case 'spiffe_x509':
      return clientCertificate(credentials)
  }
}
