import type { EpochSeconds } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import { fail, type MaybePromise, ok, type Result } from '../base/result.ts'
import type { Secret } from '../base/secret.ts'
import type { StsConfig } from '../config/sidecar-config.ts'
import { readAccessClaims } from '../tokens/access-claims.ts'
import { createTransactionTokenVerifier } from '../tokens/transaction-token.ts'
import { createOwnTokenReader, type OwnToken } from './own-token.ts'
import type { Signer } from './signer.ts'
import { SignerKeys } from './signer-keys.ts'
import { ownIssuerRules, ownLeewaySeconds, tokenBytes } from './subject-verifier.ts'
import { createTicketSeal } from './ticket-seal.ts'

/** Something that this service issued and that comes back here one day, as far as its revocation needs it. */
export type RevocableToken = Pick<
  OwnToken,
  'subject' | 'audience' | 'actor' | 'clientId' | 'tokenId' | 'expiresAt' | 'fingerprint'
>

/** Reads what a client wants to have revoked. The error is for the record and holds no part of it. */
export type ReadRevocableToken = (
  presented: string,
  now: EpochSeconds,
) => MaybePromise<Result<RevocableToken, string>>

/**
 * Makes the reader of everything that can be revoked: access tokens, also for as long after their end as a ticket that
 * was made of one may live, and, where there are any, Transaction Tokens and tickets.
 */
export function createRevocableTokenReader(config: StsConfig, signer: Signer): ReadRevocableToken {
  const rules = ownIssuerRules(config)
  const leewaySeconds = ownLeewaySeconds + (config.tickets?.ttlSeconds ?? 0)
  const readAccessToken = createOwnTokenReader({ ...rules, leewaySeconds }, signer, tokenBytes)
  const readTicket = config.tickets && createTicketReader(config, config.tickets.key)
  const { transactionDomain: domain } = config
  const readTransactionToken =
    domain === undefined ? undefined : createTransactionTokenReader(config, domain, signer)
  return async (presented, now) => {
    const access = readAccessToken(presented, now)
    if (access.ok) return access
    for (const read of [readTicket, readTransactionToken]) {
      const other = await read?.(presented, now)
      if (other?.ok) return other
    }
    return access
  }
}

function createTransactionTokenReader(
  config: StsConfig,
  trustDomain: string,
  signer: Signer,
): ReadRevocableToken {
  const verify = createTransactionTokenVerifier({
    ...ownIssuerRules(config),
    keys: new SignerKeys(signer),
    trustDomain,
    maxBytes: tokenBytes,
  })
  return async (presented, now) => {
    const verified = await verify(presented, now)
    if (!verified.ok) return fail(verified.error.detail)
    const { requester: clientId, tokenId, subject, audience, actor, expiresAt, fingerprint } = verified.value
    if (tokenId === undefined) return fail('it has no jti')
    return ok({ clientId, tokenId, subject, audience, actor, expiresAt, fingerprint })
  }
}

function createTicketReader({ issuer, maxActorDepth }: StsConfig, key: Secret): ReadRevocableToken {
  const seal = createTicketSeal(key, issuer)
  return (presented, now) => {
    const claims = seal.open(presented)
    const access = claims === undefined ? fail('it does not open') : readAccessClaims(claims, maxActorDepth)
    if (!access.ok) return access
    const { tokenId } = access.value
    const expiresAt = claims?.['exp']
    if (tokenId === undefined || typeof expiresAt !== 'number') return fail('it is not whole')
    if (now >= expiresAt) return fail('expired')
    return ok({ ...access.value, tokenId, expiresAt, fingerprint: sha256Base64Url(presented) })
  }
}
