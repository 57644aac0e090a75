import type { EpochSeconds } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import { fail, type MaybePromise, ok, type Result } from '../base/result.ts'
import { Secret } from '../base/secret.ts'
import { isJsonObject } from '../base/strict-json.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { type Refusal, refusal } from '../model/refusal.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { tokenType } from '../oauth/token-type.ts'
import { isIdentifier, readAccessClaims } from './access-claims.ts'
import { type CompactJws, readCompactJws } from './compact-jws.ts'
import { describeValue } from './describe-value.ts'
import type { KeyFailure, KeySet } from './key-set.ts'
import { isSignatureAlgorithm } from './signature-algorithm.ts'
import { readTokenTimes } from './token-times.ts'
import { type UsableKey, verifySignature } from './verify-signature.ts'

/** Header `typ` of a Transaction Token (draft-ietf-oauth-transaction-tokens §3.1). */
export const transactionTokenType = 'txntoken+jwt'

/** A Transaction Token that was verified: the context of a call chain inside one trust domain, and no credential. */
export interface TransactionToken extends VerifiedToken {
  /** `txn`: the same over the whole call chain. */
  readonly transaction: string
  /** `req_wl`: the workload that asked for it last. */
  readonly requester: string
}

export interface TransactionTokenRules
  extends Pick<
    IssuerRules,
    'issuer' | 'algorithms' | 'leewaySeconds' | 'maxLifetimeSeconds' | 'maxActorDepth'
  > {
  /** The one audience of all Transaction Tokens here. */
  readonly trustDomain: string
  /** Of the one token service that there is in a trust domain. */
  readonly keys: KeySet
  readonly maxBytes: number
}

/** Checks one presented Transaction Token. Never throws for any input; the refusal's detail holds no part of it. */
export type VerifyTransactionToken = (
  presented: string,
  now: EpochSeconds,
) => MaybePromise<Result<TransactionToken, Refusal>>

/**
 * Makes the verifier of a trust domain: typ, signature of its token service, the trust domain as the only audience, times,
 * and every claim that the draft requires. It takes no other kind of JWT, as no verifier of access tokens takes this one.
 */
export function createTransactionTokenVerifier(rules: TransactionTokenRules): VerifyTransactionToken {
  return (presented, now) => {
    const jws = readCompactJws(presented, rules.maxBytes)
    if (!jws.ok) return refuse(jws.error)
    const { header, claims } = jws.value
    const { algorithm, keyId, type } = header
    if (type?.toLowerCase().replace(/^application\//, '') !== transactionTokenType) {
      return refuse(`typ ${describeValue(type)} is not that of a Transaction Token`)
    }
    // `iss` is optional: a trust domain has one token service.
    if (claims.iss !== undefined && claims.iss !== rules.issuer) {
      return refuse(`iss ${describeValue(claims.iss)} is not trusted`)
    }
    if (!isSignatureAlgorithm(algorithm) || !rules.algorithms.includes(algorithm)) {
      return refuse(`alg ${describeValue(algorithm)} is not allowed`)
    }
    const use = (key: Result<UsableKey, KeyFailure>): Result<TransactionToken, Refusal> =>
      key.ok ? finish(presented, jws.value, key.value, rules, now) : refuseKey(key.error)
    const found = rules.keys.find(algorithm, keyId)
    return found instanceof Promise ? found.then(use) : use(found)
  }
}

function finish(
  presented: string,
  jws: CompactJws,
  key: UsableKey,
  rules: TransactionTokenRules,
  now: EpochSeconds,
): Result<TransactionToken, Refusal> {
  if (!verifySignature(jws, key)) return refuse('the signature does not verify')
  const { claims, signingInput } = jws
  const access = readAccessClaims(claims, rules.maxActorDepth)
  if (!access.ok) return refuse(access.error)
  const { audience, scope, authenticationContext, authenticatedAt, actor, tokenId, subject } = access.value
  if (audience.length !== 1 || audience[0] !== rules.trustDomain)
    return refuse('aud is not this trust domain')
  const times = readTokenTimes(claims, rules, now)
  if (!times.ok) return refuse(times.error)
  const { txn, req_wl: requester, rctx, tctx } = claims
  if (times.value.issuedAt === undefined) return refuse('iat is missing')
  if (!isIdentifier(txn)) return refuse('txn is missing or not an identifier')
  if (!isIdentifier(requester)) return refuse('req_wl is missing or not an identifier')
  if (scope.length === 0) return refuse('scope is missing')
  for (const context of [rctx, tctx]) {
    if (context !== undefined && !isJsonObject(context)) return refuse('rctx or tctx is not an object')
  }
  return ok(
    Object.freeze({
      presented: new Secret(presented),
      tokenType: tokenType.transaction,
      issuer: rules.issuer,
      subject,
      audience,
      tokenId,
      scope,
      actor,
      authenticationContext,
      authenticatedAt,
      issuedAt: times.value.issuedAt,
      expiresAt: times.value.expiresAt,
      fingerprint: sha256Base64Url(signingInput),
      claims,
      transaction: txn,
      requester,
    }),
  )
}

function refuseKey(failure: KeyFailure): Result<never, Refusal> {
  return failure === 'unavailable'
    ? fail(refusal('token.keys_unavailable', "the issuer's keys could not be had"))
    : refuse(`kid: ${failure === 'unknown' ? 'no key fits' : 'more than one key fits'}`)
}

function refuse(detail: string): Result<never, Refusal> {
  return fail(refusal('token.invalid', `Transaction Token: ${detail}`))
}
