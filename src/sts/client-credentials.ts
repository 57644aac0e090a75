import { fail, ok, type Result } from '../base/result.ts'
import { jwtBearerClientAssertion, jwtSpiffeClientAssertion } from '../oauth/grant-type.ts'
import { refuseClient, type TokenError, tokenError } from './token-error.ts'
import { decodeFormText, type TokenForm } from './token-form.ts'

/** What a request brings to authenticate its client: exactly one method (RFC 6749 §2.3). */
export type PresentedCredentials =
  | {
      readonly kind: 'secret'
      readonly method: 'client_secret_basic' | 'client_secret_post'
      readonly clientId: string
      readonly secret: string
    }
  | {
      readonly kind: 'jwt-bearer' | 'jwt-spiffe'
      readonly clientId: string | undefined
      readonly assertion: string
    }
  /** The certificate of the TLS connection. */
  | { readonly kind: 'certificate'; readonly clientId: string }

/**
 * Finds the credentials of a token request. A certificate counts when the request has nothing else: who presents one may
 * do so for other reasons, and authenticate by another method.
 *
 * @param authorization every value of the `Authorization` field
 * @param hasCertificate whether the client presented a certificate in its TLS handshake
 */
export function readClientCredentials(
  authorization: readonly string[],
  form: TokenForm,
  hasCertificate = false,
): Result<PresentedCredentials, TokenError> {
  const clientId = form.one('client_id')
  const secret = form.one('client_secret')
  const assertion = form.one('client_assertion')
  const assertionType = form.one('client_assertion_type')
  if (authorization.length > 1) return malformed('the Authorization field came more than once')
  if ((assertion === undefined) !== (assertionType === undefined)) {
    return malformed('client_assertion and client_assertion_type belong together')
  }
  const methods = [authorization[0], secret, assertion].filter(method => method !== undefined)
  if (methods.length > 1) return malformed('more than one method of client authentication')
  if (authorization[0] !== undefined) return readBasic(authorization[0], clientId)
  if (assertion !== undefined) {
    const kind = assertionKinds.get(assertionType ?? '')
    return kind === undefined
      ? refuseClient('unsupported client_assertion_type')
      : ok({ kind, clientId, assertion })
  }
  if (secret === undefined) {
    return hasCertificate && clientId !== undefined
      ? ok({ kind: 'certificate', clientId })
      : refuseClient('no client authentication')
  }
  if (clientId === undefined) return malformed('client_secret without client_id')
  return ok({ kind: 'secret', method: 'client_secret_post', clientId, secret })
}

const assertionKinds: ReadonlyMap<string, 'jwt-bearer' | 'jwt-spiffe'> = new Map([
  [jwtBearerClientAssertion, 'jwt-bearer'],
  [jwtSpiffeClientAssertion, 'jwt-spiffe'],
])

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined and base64-encoded (RFC 7617 §2). */
function readBasic(field: string, clientId: string | undefined): Result<PresentedCredentials, TokenError> {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(field)?.[1]
  if (encoded === undefined) return refuseClient('the Authorization field holds no Basic credentials')
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.toString('base64') !== encoded)
    return refuseClient('the Basic credentials are not canonical base64')
  const text = bytes.toString('latin1')
  const colon = text.indexOf(':')
  if (colon < 0) return refuseClient('the Basic credentials hold no colon')
  const id = decodeFormText(text.slice(0, colon))
  const secret = decodeFormText(text.slice(colon + 1))
  if (!id || !secret) return refuseClient('the Basic credentials are empty or not form-encoded')
  if (clientId !== undefined && clientId !== id) return malformed('two different client ids')
  return ok({ kind: 'secret', method: 'client_secret_basic', clientId: id, secret })
}

function malformed(description: string): Result<never, TokenError> {
  return fail(tokenError('invalid_request', description))
}
