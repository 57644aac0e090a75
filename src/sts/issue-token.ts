import type { EpochSeconds } from '../base/clock.ts'
import { takeRandomBytes } from '../base/random-bytes.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { Secret } from '../base/secret.ts'
import { formatScope } from '../oauth/scope-set.ts'
import type { Issuance } from './grant.ts'
import { formatLineage } from './lineage.ts'
import type { Signer } from './signer.ts'
import { type TokenError, tokenError } from './token-error.ts'

/** A token that was just made, with what the response and the record say of it. */
export interface MintedToken {
  readonly value: Secret
  readonly tokenId: string
  readonly expiresAt: EpochSeconds
  /** Whole seconds that are left, rounded down. */
  readonly expiresInSeconds: number
}

/**
 * Makes a token with the claims of a JWT access token (RFC 9068 §2.2), in its own format: one audience, whole seconds, a
 * life that ends no later than `notAfter` and than each of the tokens that it is derived from, if it may not outlive them,
 * and before its key is withdrawn. It names those tokens in its `lineage`.
 *
 * @returns the error when less than a second of life would be left, or it would have too many ancestors
 */
export function issueToken(
  issuance: Issuance,
  by: { readonly issuer: string; readonly clientId: string; readonly signer: Signer },
  now: EpochSeconds,
): Result<MintedToken, TokenError> {
  const lineage = formatLineage(issuance.derivedFrom, by.issuer)
  if (!lineage.ok) return fail(tokenError('invalid_request', lineage.error))
  const parentEnds = issuance.mayOutlive ? [] : issuance.derivedFrom.map(token => token.expiresAt)
  const ends = [issuance.notAfter, by.signer.latestExpiry(), ...parentEnds]
  const expiresAt = Math.floor(Math.min(now + issuance.ttlSeconds, ...ends))
  const expiresInSeconds = Math.floor(expiresAt - now)
  if (!(expiresInSeconds >= 1)) {
    return fail(tokenError('invalid_request', 'the subject token is about to expire'))
  }
  const tokenId = takeRandomBytes(20).toString('base64url')
  const claims = {
    ...issuance.claims,
    iss: by.issuer,
    sub: issuance.subject,
    aud: issuance.audience,
    client_id: by.clientId,
    iat: Math.floor(now),
    exp: expiresAt,
    jti: tokenId,
    // Also when there is none: no claim that was carried along may stand for one of them.
    act: issuance.actor,
    scope: issuance.scope.length > 0 ? formatScope(issuance.scope) : undefined,
    lineage: lineage.value,
  }
  const value = new Secret(issuance.format.write(claims, by.signer))
  return ok({ value, tokenId, expiresAt, expiresInSeconds })
}
