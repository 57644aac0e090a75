import type { EpochSeconds } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import type { HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { type Refusal, refusal } from '../model/refusal.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { readAccessClaims } from './access-claims.ts'
import { type CompactJws, readCompactJws } from './compact-jws.ts'
import { describeValue } from './describe-value.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { JwtAccessToken } from './jwt-access-token.ts'
import type { KeyFailure, KeySet, KeySetOptions } from './key-set.ts'
import { isSignatureAlgorithm } from './signature-algorithm.ts'
import { checkTokenKind } from './token-kind.ts'
import {
  createTokenMemory,
  defaultMemoryBounds,
  type MemoryBounds,
  type TrustedIssuer,
} from './token-memory.ts'
import { checkTimes, readTokenTimes } from './token-times.ts'
import type { Verifier } from './verifier.ts'
import { type UsableKey, verifySignature } from './verify-signature.ts'

export interface JwtVerifierDependencies {
  readonly client: HttpClient
  readonly log: Log
  /** Longest token that is looked at. */
  readonly tokenBytes: number
  /** What is not given has the defaults of `createIssuerKeys`. */
  readonly keyOptions?: Partial<KeySetOptions>
  readonly memory?: MemoryBounds
  /** Keys that are at hand, by issuer, instead of those of its rules. */
  readonly keysOf?: ReadonlyMap<string, KeySet>
}

export interface JwtVerifier extends Verifier {
  /** Loads every issuer's keys. Resolves when each was tried once; never rejects. Nothing needs to wait for it. */
  warm(): Promise<void>
  /** Whether tokens can be verified: keys of at least one issuer are there, or there is none to have keys. */
  isReady(): boolean
  /** Stops fetching keys. */
  close(): void
}

type Verified = Result<VerifiedToken, Refusal>

/**
 * A verifier for JWT access tokens of several issuers (RFC 7519, RFC 8725, RFC 9068). The keys and rules are always
 * those of the issuer that the token names; one issuer's key never verifies another's token. A token that was verified
 * is remembered with the key that verified it: later only its times and that key's place in the key set are checked.
 *
 * @throws TypeError when two rules name the same issuer
 */
export function createJwtVerifier(
  rules: readonly IssuerRules[],
  { client, log, tokenBytes, keyOptions = {}, memory = defaultMemoryBounds, keysOf }: JwtVerifierDependencies,
): JwtVerifier {
  const issuers = new Map<string, TrustedIssuer>()
  for (const rule of rules) {
    if (issuers.has(rule.issuer)) throw new TypeError(`two rules for issuer ${rule.issuer}`)
    const keys = keysOf?.get(rule.issuer) ?? createIssuerKeys(rule, { client, log, options: keyOptions })
    issuers.set(rule.issuer, { rules: rule, keys })
  }
  const remembered = createTokenMemory(memory)

  const recall = (presented: string, now: EpochSeconds): Verified | undefined => {
    const known = remembered.get(presented)
    if (known === undefined) return undefined
    const { token, notBefore, issuer } = known
    const late = checkTimes({ expiresAt: token.expiresAt, notBefore }, issuer.rules.leewaySeconds, now)
    if (late === undefined && issuer.keys.holds(known.key)) return ok(token)
    remembered.delete(presented)
    return late === undefined ? undefined : refuse(late)
  }

  const finish = (
    presented: string,
    jws: CompactJws,
    issuer: TrustedIssuer,
    key: UsableKey,
    now: EpochSeconds,
  ): Verified => {
    if (!verifySignature(jws, key)) return refuse('the signature does not verify')
    const claims = readAccessClaims(jws.claims, issuer.rules.maxActorDepth)
    if (!claims.ok) return refuse(claims.error)
    if (!claims.value.audience.some(audience => issuer.rules.audience.includes(audience))) {
      return refuse('aud names nobody here')
    }
    const times = readTokenTimes(jws.claims, issuer.rules, now)
    if (!times.ok) return refuse(times.error)
    const { expiresAt, issuedAt, notBefore } = times.value
    const fingerprint = sha256Base64Url(jws.signingInput)
    const facts = { presented, issuer: issuer.rules.issuer, fingerprint, issuedAt, expiresAt }
    const token = new JwtAccessToken(facts, claims.value, jws.claims)
    remembered.set(presented, { token, notBefore, issuer, key })
    return ok(token)
  }

  return {
    recall,
    verify(presented, now) {
      const known = recall(presented, now)
      if (known !== undefined) return known
      const jws = readCompactJws(presented, tokenBytes)
      if (!jws.ok) return refuse(jws.error)
      const { header, claims } = jws.value
      const issuer = typeof claims.iss === 'string' ? issuers.get(claims.iss) : undefined
      if (issuer === undefined) return refuse(`iss ${describeValue(claims.iss)} is not trusted`)
      const { algorithm, keyId } = header
      if (!isSignatureAlgorithm(algorithm) || !issuer.rules.algorithms.includes(algorithm)) {
        return refuse(`alg ${describeValue(algorithm)} is not allowed`)
      }
      const otherKind = checkTokenKind(header.type, claims, issuer.rules.types)
      if (otherKind !== undefined) return refuse(otherKind)
      const found = issuer.keys.find(algorithm, keyId)
      const use = (key: Result<UsableKey, KeyFailure>): Verified =>
        key.ok ? finish(presented, jws.value, issuer, key.value, now) : refuseKey(key.error, keyId)
      return found instanceof Promise ? found.then(use) : use(found)
    },
    // Who serves public routes only has no issuer, and nothing to wait for.
    isReady: () => issuers.size === 0 || [...issuers.values()].some(({ keys }) => keys.isAvailable()),
    async warm() {
      await Promise.all([...issuers.values()].map(({ keys }) => keys.warm()))
    },
    close() {
      for (const { keys } of issuers.values()) keys.close()
    },
  }
}

function refuseKey(failure: KeyFailure, keyId: string | undefined): Verified {
  if (failure === 'unavailable') {
    return fail(refusal('token.keys_unavailable', "the issuer's keys could not be had"))
  }
  return refuse(
    `kid ${describeValue(keyId)}: ${failure === 'unknown' ? 'no key fits' : 'more than one key fits'}`,
  )
}

function refuse(detail: string): Verified {
  return fail(refusal('token.invalid', detail))
}
