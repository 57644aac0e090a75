import { randomUUID } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { ClientCredentials } from '../config/sidecar-config.ts'
import { jwtBearerClientAssertion } from '../oauth/grant-type.ts'
import { type ClientAuthentication, ClientAuthenticationError } from './client-authentication.ts'
import { type ClientKey, createClientKeyFile } from './client-key-file.ts'
import { signCompactJws } from './sign-compact-jws.ts'

/** Servers accept a minute at least, and some no more. */
const assertionSeconds = 60

/**
 * Authenticates with an assertion signed by the client's private key (RFC 7523 §2.2, RFC 10070): its only audience is
 * the issuer identifier, unless the configuration says that the server lags behind; it is typed, lives for a minute and
 * has a `jti` of its own, so every call signs a new one.
 */
export function privateKeyJwt(
  credentials: Extract<ClientCredentials, { readonly authentication: 'private_key_jwt' }>,
  clock: Clock,
): ClientAuthentication {
  const file = createClientKeyFile(credentials.key)
  return async (form, _headers, server) => {
    const key = await file.read()
    if (!key.ok) throw new ClientAuthenticationError(key.error)
    const audience = credentials.assertionAudience === 'issuer' ? server.issuer : server.tokenEndpoint.href
    form.set('client_id', credentials.id)
    form.set('client_assertion_type', jwtBearerClientAssertion)
    form.set('client_assertion', signAssertion(key.value, credentials.id, audience, clock))
  }
}

function signAssertion(key: ClientKey, clientId: string, audience: string, clock: Clock): string {
  const issuedAt = Math.floor(clock.now())
  const header = {
    alg: key.algorithm,
    typ: 'client-authentication+jwt',
    ...(key.keyId !== undefined && { kid: key.keyId }),
  }
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: audience,
    iat: issuedAt,
    exp: issuedAt + assertionSeconds,
    jti: randomUUID(),
  }
  try {
    return signCompactJws(header, claims, key)
  } catch {
    throw new ClientAuthenticationError(`the client key does not sign with ${key.algorithm}`)
  }
}
