import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject } from '../base/strict-json.ts'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import { describeValue } from './describe-value.ts'
import { isKeyId } from './key-id.ts'
import { readKeyMaterial } from './key-material.ts'
import { isSameAlgorithm, isSignatureAlgorithm, signatureAlgorithms } from './signature-algorithm.ts'
import type { UsableKey } from './verify-signature.ts'

type Jwk = Readonly<Record<string, unknown>>

/** What the keys of a set are for: `sig` is also meant by keys without `use`; in a SPIFFE bundle each key says it. */
export type KeyUse = 'sig' | 'jwt-svid'

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

/**
 * Decides whether a JWK (RFC 7517) may verify tokens, and for which one algorithm (RFC 8725 §3.1, §3.5). Refused are
 * symmetric and private keys, keys for another use, and weak ones: short, even or ROCA moduli, small exponents, points
 * off their curve or of small order. A key without `alg` gets the first algorithm of the allow-list that fits it.
 *
 * @param allowed the issuer's algorithms; a key for any other is refused
 * @returns the error says why the key is not usable; it holds no key material
 */
export function readVerificationKey(
  jwk: unknown,
  allowed: readonly SignatureAlgorithm[],
  keyUse: KeyUse = 'sig',
): Result<UsableKey, string> {
  if (!isJsonObject(jwk)) return fail('not a JSON object')
  const { kid } = jwk
  if (kid !== undefined && !isKeyId(kid)) return fail('kid is not a string of 1 to 256 characters')
  const unfit = checkPurpose(jwk, keyUse)
  if (unfit !== undefined) return fail(unfit)
  const algorithm = chooseAlgorithm(jwk, allowed)
  if (!algorithm.ok) return algorithm
  const key = readKeyMaterial(jwk, algorithm.value)
  if (!key.ok) return key
  return ok({ keyId: kid, algorithm: algorithm.value, ...key.value })
}

function checkPurpose(jwk: Jwk, keyUse: KeyUse): string | undefined {
  const { kty, use, key_ops: operations } = jwk
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return `kty ${describeValue(kty)} is not usable`
  if (privateMembers.some(member => member in jwk)) return 'it has private members'
  if (use !== keyUse && !(use === undefined && keyUse === 'sig')) return `use is ${describeValue(use)}`
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    return 'key_ops does not include verify'
  }
  return undefined
}

function chooseAlgorithm(
  jwk: Jwk,
  allowed: readonly SignatureAlgorithm[],
): Result<SignatureAlgorithm, string> {
  const { kty, crv, alg } = jwk
  const fits = (name: SignatureAlgorithm): boolean =>
    signatureAlgorithms[name].keyType === kty &&
    signatureAlgorithms[name].curve === (kty === 'RSA' ? undefined : crv)
  if (alg === undefined) {
    const first = allowed.find(fits)
    return first === undefined ? fail('it fits no algorithm that is allowed') : ok(first)
  }
  if (!isSignatureAlgorithm(alg) || !fits(alg)) return fail(`alg ${describeValue(alg)} does not fit the key`)
  if (!allowed.some(name => isSameAlgorithm(name, alg))) return fail(`alg ${alg} is not allowed`)
  return ok(alg)
}
