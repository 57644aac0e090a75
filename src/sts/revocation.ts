import { fail, ok } from '../base/result.ts'
import type { ClientEndpointOptions } from './client-endpoint.ts'
import { describeToken, storeUnavailable } from './introspection.ts'
import { tokenMark } from './lineage.ts'
import type { ReadRevocableToken } from './revocable-token.ts'
import { type RevocationStore, RevocationStoreError } from './revocation-store.ts'
import { tokenError } from './token-error.ts'
import { noStoreHeaders } from './token-response.ts'
import { noFacts, type TokenFacts } from './token-service-event.ts'

export interface RevocationOptions {
  readonly issuer: string
  readonly readToken: ReadRevocableToken
  readonly revocations: RevocationStore
  /** How long after its `exp` a token may still be accepted. */
  readonly leewaySeconds: number
  /** How long after a token was revoked something may come back that was made of it and may outlive it. */
  readonly ticketSeconds: number
}

/**
 * Revokes a token for the client that it was issued to (RFC 7009), and with it all that were exchanged from it. What is
 * no good token of this service needs no revocation, and the answer is the same (§2.2); another client's token is an
 * error (§2.1). A token that has ended can be revoked as long as a ticket that was made of it may be alive. An answer of
 * 200 to a good token means that the revocation is kept where every replica looks.
 */
export function createRevocation(options: RevocationOptions): ClientEndpointOptions['answer'] {
  const { 'content-type': _, ...headers } = noStoreHeaders
  const done = { status: 200, headers, body: '' }
  return async ({ client, form, now }) => {
    const facts: TokenFacts = { ...noFacts, client: client.id }
    const presented = form.one('token')
    if (presented === undefined) {
      return fail({ error: tokenError('invalid_request', 'token is missing'), facts })
    }
    const read = await options.readToken(presented, now)
    if (!read.ok) {
      const nothing = { detail: read.error, tokenId: undefined, expiresAt: undefined }
      return ok({ response: done, event: { kind: 'inactive', facts, ...nothing } })
    }
    const { tokenId, expiresAt } = read.value
    const known = { ...facts, ...describeToken(read.value, options.issuer) }
    if (read.value.clientId !== client.id) {
      const error = tokenError('unauthorized_client', 'the token was not issued to this client')
      return fail({ error, facts: known })
    }
    try {
      const lastEnd = Math.max(expiresAt, now + options.ticketSeconds)
      await options.revocations.revoke(tokenMark(tokenId), lastEnd + options.leewaySeconds)
    } catch (cause) {
      if (!(cause instanceof RevocationStoreError)) throw cause
      return fail({ error: storeUnavailable(cause), facts: known })
    }
    return ok({
      response: done,
      event: { kind: 'revoked', facts: known, detail: undefined, tokenId, expiresAt },
    })
  }
}
