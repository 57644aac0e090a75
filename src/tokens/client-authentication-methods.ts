import type { Clock } from '../base/clock.ts'
import type { ClientCredentials } from '../config/sidecar-config.ts'
import type { ClientAuthentication } from './client-authentication.ts'
import { clientSecretBasic, clientSecretPost } from './client-secret.ts'
import { privateKeyJwt } from './private-key-jwt.ts'

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
  }
}
