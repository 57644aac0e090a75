import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import type { CompactJws } from '../tokens/compact-jws.ts'
import type { KeySet } from '../tokens/key-set.ts'
import { readTokenTimes } from '../tokens/token-times.ts'
import { verifySignature } from '../tokens/verify-signature.ts'
import { isSoleAudience } from './sole-audience.ts'
import { refuseClient, type TokenError, tokenError } from './token-error.ts'

/** Which tokens of a platform, a cluster or a SPIFFE trust domain, prove who a workload is. */
export interface WorkloadTokenRules {
  /** For the record: `service account token` or `SVID`. */
  readonly name: string
  /** The token service's issuer identifier: the only audience. */
  readonly audience: string
  readonly algorithms: readonly SignatureAlgorithm[]
  /** Accepted `typ` values, lower case; an absent one always is. */
  readonly types: readonly string[]
  readonly leewaySeconds: number
  readonly maxLifetimeSeconds: number
}

/**
 * Checks a token by which a platform vouches for a workload. Such tokens are used again and again while they live, so
 * that there is no rule for their `jti`; that the token service is their only audience is what keeps them from being
 * presented by whoever else got them.
 */
export async function checkWorkloadToken(
  jws: CompactJws,
  keys: KeySet,
  rules: WorkloadTokenRules,
  now: EpochSeconds,
): Promise<Result<undefined, TokenError>> {
  const refuse = (reason: string): Result<never, TokenError> => refuseClient(`${rules.name}: ${reason}`)
  const { header, claims } = jws
  const type = header.type?.toLowerCase()
  if (type !== undefined && !rules.types.includes(type)) return refuse('typ is that of another kind of token')
  if (!rules.algorithms.some(name => name === header.algorithm)) return refuse('alg is not allowed')
  const key = await keys.find(header.algorithm, header.keyId)
  if (!key.ok) {
    if (key.error !== 'unavailable') return refuse(`its key is ${key.error}`)
    return fail(tokenError('temporarily_unavailable', 'try again', `${rules.name}: no keys could be had`))
  }
  if (!verifySignature(jws, key.value)) return refuse('bad signature')
  if (!isSoleAudience(claims.aud, rules.audience)) return refuse('aud is not this issuer alone')
  const times = readTokenTimes(claims, rules, now)
  return times.ok ? ok(undefined) : refuse(times.error)
}
