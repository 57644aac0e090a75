import type { Clock } from '../base/clock.ts'
import { FreshFile } from '../base/fresh-file.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { Secret } from '../base/secret.ts'
import type { ClientCredentials } from '../config/sidecar-config.ts'
import { jwtBearerClientAssertion, jwtSpiffeClientAssertion } from '../oauth/grant-type.ts'
import { type ClientAuthentication, ClientAuthenticationError } from './client-authentication.ts'
import { readCompactJws } from './compact-jws.ts'

const maxBytes = 16 * 1024

/**
 * Authenticates with the token that the platform keeps in a file: a projected service account token of Kubernetes (RFC
 * 7523 §2.2) or a JWT-SVID (draft-ietf-oauth-spiffe-client-auth). The platform replaces it long before it ends, so that
 * it is looked at for every request; one that has expired is not sent.
 */
export function workloadTokenFile(
  { id, authentication, token }: Extract<ClientCredentials, { readonly token: string }>,
  clock: Clock,
): ClientAuthentication {
  const type = authentication === 'spiffe_jwt' ? jwtSpiffeClientAssertion : jwtBearerClientAssertion
  const file = new FreshFile(token, { name: 'client token', maxBytes, parse: parseToken })
  return async form => {
    const read = await file.read()
    if (!read.ok) throw new ClientAuthenticationError(read.error)
    const { text, expiresAt } = read.value
    if (expiresAt <= clock.now()) throw new ClientAuthenticationError(`client token ${token}: it has expired`)
    form.set('client_id', id)
    form.set('client_assertion_type', type)
    form.set('client_assertion', text.expose())
  }
}

function parseToken(content: Buffer): Result<{ readonly text: Secret; readonly expiresAt: number }, string> {
  const text = content.toString('latin1').trim()
  const jws = readCompactJws(text, maxBytes)
  if (!jws.ok) return fail('it does not hold one JWT')
  const { exp } = jws.value.claims
  return typeof exp === 'number'
    ? ok({ text: new Secret(text), expiresAt: exp })
    : fail('it holds a JWT without exp')
}
