import type { EpochSeconds } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import { LruMap } from '../base/lru-map.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { JsonObject } from '../base/strict-json.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { type AccessClaims, readAccessClaims } from '../tokens/access-claims.ts'
import { readCompactJws } from '../tokens/compact-jws.ts'
import { checkTokenKind } from '../tokens/token-kind.ts'
import { checkTimes, readTokenTimes, type TokenTimes } from '../tokens/token-times.ts'
import { type UsableKey, verifySignature } from '../tokens/verify-signature.ts'
import { readMarks, type TokenMark } from './lineage.ts'
import type { Signer } from './signer.ts'
import { SignerKeys } from './signer-keys.ts'

/** An access token that this service issued and that has not ended. Whether it was revoked is for the store to say. */
export interface OwnToken extends AccessClaims {
  readonly tokenId: string
  readonly expiresAt: EpochSeconds
  /** See `VerifiedToken.fingerprint`. */
  readonly fingerprint: string
  /** It is revoked when one of these is. */
  readonly marks: readonly TokenMark[]
  readonly claims: JsonObject
}

interface RememberedToken extends Pick<TokenTimes, 'expiresAt' | 'notBefore'> {
  readonly token: OwnToken
  readonly key: UsableKey
}

/** The text as key, and its claims twice: as they are and as they are acted on. */
const bytesPerCharacter = 4
const memoryBounds = {
  maxEntries: 10_000,
  sizes: {
    maxBytes: 32 * 1024 * 1024,
    sizeOf: (_: RememberedToken, presented: string) => 1024 + bytesPerCharacter * presented.length,
  },
}

/** Reads one presented token. The error is for the record and holds no part of the token. */
export type ReadOwnToken = (presented: string, now: EpochSeconds) => Result<OwnToken, string>

/**
 * Makes the reader of tokens that are asked about or revoked. It checks what a verifier checks, with the keys as they
 * are now, but for two things: the audience is whoever it may be, and a token that is bound to a key (`cnf`) is read as
 * well, since the caller here only asks about it and does not use it. Resource servers ask about the same token again and
 * again, so one that was verified is remembered by its text: later only its times and its key's place are checked.
 *
 * @param rules those that the service has for its own tokens as subject tokens
 */
export function createOwnTokenReader(rules: IssuerRules, signer: Signer, maxBytes: number): ReadOwnToken {
  const keys = new SignerKeys(signer)
  const remembered = new LruMap<RememberedToken>(memoryBounds)
  return (presented, now) => {
    const known = remembered.get(presented)
    if (known !== undefined) {
      const late = checkTimes(known, rules.leewaySeconds, now)
      if (late === undefined && keys.holds(known.key)) return ok(known.token)
      remembered.delete(presented)
    }
    const jws = readCompactJws(presented, maxBytes)
    if (!jws.ok) return jws
    const { header, claims, signingInput } = jws.value
    if (claims.iss !== rules.issuer) return fail('it is from another issuer')
    const { algorithm, keyId, type } = header
    const otherKind = checkTokenKind(type, claims, rules.types)
    if (otherKind !== undefined) return fail(otherKind)
    const key = keys.find(algorithm, keyId)
    if (!key.ok) return fail('its key and alg are none of here')
    if (!verifySignature(jws.value, key.value)) return fail('the signature does not verify')
    const { cnf: _, ...bearer } = claims
    const access = readAccessClaims(bearer, rules.maxActorDepth)
    if (!access.ok) return access
    const times = readTokenTimes(claims, rules, now)
    if (!times.ok) return times
    const marks = readMarks(claims)
    const { tokenId } = access.value
    if (marks === undefined || tokenId === undefined) return fail('it does not say what it descends from')
    const { expiresAt, notBefore } = times.value
    const fingerprint = sha256Base64Url(signingInput)
    const token = { ...access.value, tokenId, expiresAt, fingerprint, marks, claims }
    remembered.set(presented, { token, expiresAt, notBefore, key: key.value })
    return ok(token)
  }
}
