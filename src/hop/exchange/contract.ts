import type { EpochSeconds } from '../../base/clock.ts'
import { sha256Base64Url } from '../../base/digest.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { SignatureAlgorithm } from '../../config/sidecar-config.ts'
import type { TokenRequest } from '../../model/exchange-request.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { isScopeWithin, parseScope, type ScopeSet } from '../../oauth/scope-set.ts'
import { type TokenTypeUri, tokenType } from '../../oauth/token-type.ts'
import { type CompactJws, readCompactJws } from '../../tokens/compact-jws.ts'
import { describeValue } from '../../tokens/describe-value.ts'
import type { KeySet } from '../../tokens/key-set.ts'
import { isSignatureAlgorithm } from '../../tokens/signature-algorithm.ts'
import type { TokenResponse } from '../../tokens/token-response.ts'
import { verifySignature } from '../../tokens/verify-signature.ts'
import { type ActorRule, checkIssuedClaims, expectationOf } from './issued-claims.ts'
import { readExpiresIn, usableUntil } from './lifetime.ts'

/** What an issued token is measured against, besides the request that it answers. */
export interface IssuedTokenRules extends ActorRule {
  /** Issuer identifier of the authorization server, and `iss` of its tokens. */
  readonly server: string
  readonly algorithms: readonly SignatureAlgorithm[]
  readonly keys: KeySet
  readonly marginSeconds: number
}

/** Longest issued token: what still fits into the header limits of common servers. */
const maxTokenBytes = 16 * 1024

/** Nobody's fault: the exchange took longer than the subject token had left. */
const ended = fail(refusal('exchange.subject_rejected', 'the subject token ended during the exchange'))

/**
 * The issued-token contract: an answer becomes an {@link IssuedToken} only when the server signed it, for exactly the
 * audience, subject and actors that were asked for, with no more scope than asked and no less than the route needs,
 * and with some life left. Everything else is `exchange.contract`, which somebody should look at, except a granted
 * scope that is too narrow, which is the caller's to know, and a subject token that ended meanwhile.
 *
 * @param askedAt when the request was sent
 * @param now when the answer was there
 */
export async function checkIssuedToken(
  answer: TokenResponse,
  request: TokenRequest,
  rules: IssuedTokenRules,
  askedAt: EpochSeconds,
  now: EpochSeconds,
): Promise<Result<IssuedToken, Refusal>> {
  const wrongKind = checkTypes(answer, request)
  if (wrongKind !== undefined) return violation(wrongKind)
  const token = readToken(answer, request)
  if (!token.ok) return violation(token.error)
  const { jws, fingerprint } = token.value
  const signed = await checkSignature(jws, rules)
  if (!signed.ok) return signed
  const claims = checkIssuedClaims(jws, expectationOf(request, rules), rules.server, now)
  if (!claims.ok) return violation(claims.error)
  const scope = grantedScope(answer, request, claims.value.scope)
  if (!scope.ok) return scope
  const expiresIn = readExpiresIn(answer.expiresIn)
  if (!expiresIn.ok) return violation(expiresIn.error)
  const expiresAt = usableUntil({
    askedAt,
    now,
    expiresInSeconds: expiresIn.value,
    tokenExpiresAt: claims.value.expiresAt,
    notAfter: request.notAfter,
    ttlSeconds: request.ttlSeconds,
    marginSeconds: rules.marginSeconds,
  })
  if (expiresAt === undefined) return now < request.notAfter ? violation('no life is left') : ended
  return ok(
    Object.freeze({
      value: answer.token,
      issuedTokenType: issuedTypeOf(answer, request),
      audience: request.audience,
      scope: scope.value,
      actors: claims.value.actors,
      tokenId: claims.value.tokenId,
      fingerprint,
      expiresAt,
    }),
  )
}

/**
 * `issued_token_type` is required (RFC 8693 §2.2.1) and must be the type that was asked for. One difference is fine: a
 * JWT was asked for and an access token came. That it is a JWT is checked here anyway, and `access_token` is the word
 * for what it is used for. The reverse is not: a server that calls its answer `jwt` does not say that it is an access
 * token.
 */
function checkTypes(answer: TokenResponse, request: TokenRequest): string | undefined {
  const { issuedTokenType } = answer
  const { requestedTokenType, mode } = request
  const use = requestedTokenType === tokenType.transaction ? 'N_A' : 'Bearer'
  if (answer.tokenType.toLowerCase() !== use.toLowerCase()) {
    return `token_type ${describeValue(answer.tokenType)} is not ${use}`
  }
  // Only a token exchange has to say it.
  if (mode === 'machine' && issuedTokenType === undefined) return undefined
  if (issuedTokenType === requestedTokenType) return undefined
  if (requestedTokenType === tokenType.jwt && issuedTokenType === tokenType.accessToken) return undefined
  return `issued_token_type ${describeValue(issuedTokenType)} is not what was asked for`
}

/** The type of an answer that passed {@link checkTypes}, in our own words: the answer's text is not kept with each token. */
function issuedTypeOf(
  { issuedTokenType }: TokenResponse,
  { requestedTokenType }: TokenRequest,
): TokenTypeUri {
  return issuedTokenType === tokenType.accessToken ? tokenType.accessToken : requestedTokenType
}

interface ReadToken {
  readonly jws: CompactJws
  /** See `IssuedToken.fingerprint`. */
  readonly fingerprint: string
}

/** Three parts of canonical base64url: stricter than what RFC 6750 §2.1 lets into an `Authorization` field. */
function readToken(answer: TokenResponse, request: TokenRequest): Result<ReadToken, string> {
  const text = answer.token.expose()
  const presented = request.mode === 'machine' ? undefined : request
  if (text === presented?.subjectToken.expose()) return fail('the token is the subject token')
  const jws = readCompactJws(text, maxTokenBytes)
  if (!jws.ok) return fail(`the token is not an acceptable JWT: ${jws.error}`)
  const fingerprint = sha256Base64Url(jws.value.signingInput)
  if (fingerprint === presented?.fingerprint) {
    return fail('the token is the subject token in another spelling')
  }
  return ok({ jws: jws.value, fingerprint })
}

async function checkSignature(jws: CompactJws, rules: IssuedTokenRules): Promise<Result<true, Refusal>> {
  const { algorithm, keyId } = jws.header
  if (!isSignatureAlgorithm(algorithm) || !rules.algorithms.includes(algorithm)) {
    return violation(`alg ${describeValue(algorithm)} is not allowed`)
  }
  const key = await rules.keys.find(algorithm, keyId)
  if (!key.ok && key.error === 'unavailable') {
    return fail(refusal('exchange.unavailable', "the authorization server's keys could not be had"))
  }
  if (!key.ok) return violation(`kid ${describeValue(keyId)}: ${key.error} among the server's keys`)
  return verifySignature(jws, key.value) ? ok(true) : violation('the signature does not verify')
}

/**
 * What the token is good for: its own claim, else the answer's word, else what was asked for (RFC 8693 §2.2.1). Each
 * that is there must be within what was asked for, and the result must hold what the route cannot do without.
 */
function grantedScope(
  answer: TokenResponse,
  request: TokenRequest,
  claimed: ScopeSet | undefined,
): Result<ScopeSet, Refusal> {
  const told = answer.scope === undefined ? undefined : parseScope(answer.scope)
  if (answer.scope !== undefined && told === undefined) return violation('scope is malformed')
  if (told !== undefined && !isScopeWithin(told, request.scope)) {
    return violation('the answer grants more scope than was asked for')
  }
  const granted = claimed ?? told ?? request.scope
  if (isScopeWithin(request.requiredScope, granted)) return ok(granted)
  return fail({
    ...refusal(
      'policy.scope_missing',
      'the authorization server did not grant a scope that the route requires',
    ),
    scope: request.requiredScope,
  })
}

function violation(detail: string): Result<never, Refusal> {
  return fail(refusal('exchange.contract', detail))
}
