import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject, type JsonObject } from '../base/strict-json.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { readAudience } from './access-claims.ts'
import { readCompactJws } from './compact-jws.ts'
import { describeValue } from './describe-value.ts'
import type { KeySet } from './key-set.ts'
import { isSignatureAlgorithm } from './signature-algorithm.ts'
import { normalizeType } from './token-kind.ts'
import { verifySignature } from './verify-signature.ts'

/** The media type of a signed answer (RFC 9701 §4). */
export const signedIntrospectionType = 'application/token-introspection+jwt'

/** Whether a response says that it is a signed answer. */
export function isSignedIntrospection(contentType: string | undefined): boolean {
  return contentType?.split(';')[0]?.trim().toLowerCase() === signedIntrospectionType
}

/** What a signed answer is measured against. */
export interface SignedIntrospectionRules {
  readonly rules: IssuerRules
  readonly keys: KeySet
  /** Our `client_id` at the issuer. */
  readonly clientId: string
  readonly askedAt: EpochSeconds
  readonly now: EpochSeconds
}

const maxBytes = 64 * 1024

/** How old the clocks of others may make an answer look, beside the issuer's leeway. */
const freshnessSeconds = 5

/**
 * Reads a signed answer (RFC 9701 §5): its own `typ`, a signature by a key of the issuer, the issuer in `iss`, this
 * resource server in `aud` (by its `client_id`, or by an audience of the issuer's tokens here), and an `iat` that is not
 * from before the question, as an old answer about the same token would have. The members of RFC 7662 are in
 * `token_introspection`.
 *
 * @returns the error is for the log
 */
export async function readSignedIntrospection(
  body: string,
  { rules, keys, clientId, askedAt, now }: SignedIntrospectionRules,
): Promise<Result<JsonObject, string>> {
  const jws = readCompactJws(body, maxBytes)
  if (!jws.ok) return fail(`the signed answer is no acceptable JWT: ${jws.error}`)
  const { header, claims } = jws.value
  if (header.type === undefined || normalizeType(header.type) !== 'token-introspection+jwt') {
    return fail(`typ ${describeValue(header.type)} of the signed answer`)
  }
  if (!isSignatureAlgorithm(header.algorithm) || !rules.algorithms.includes(header.algorithm)) {
    return fail(`alg ${describeValue(header.algorithm)} of the signed answer is not allowed`)
  }
  const key = await keys.find(header.algorithm, header.keyId)
  if (!key.ok) return fail(`kid ${describeValue(header.keyId)} of the signed answer: ${key.error}`)
  if (!verifySignature(jws.value, key.value)) return fail('the signature of the answer does not verify')
  if (claims.iss !== rules.issuer) return fail(`iss ${describeValue(claims.iss)} of the signed answer`)
  const audience = readAudience(claims.aud) ?? []
  if (!audience.some(name => name === clientId || rules.audience.includes(name))) {
    return fail('aud of the signed answer names nobody here')
  }
  const tolerance = rules.leewaySeconds + freshnessSeconds
  const { iat, token_introspection: members } = claims
  if (typeof iat !== 'number' || iat < askedAt - tolerance || iat > now + tolerance) {
    return fail('iat of the signed answer is missing or not of now')
  }
  return isJsonObject(members) ? ok(members) : fail('token_introspection is missing from the signed answer')
}
