import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import type { CompactJws } from '../tokens/compact-jws.ts'
import { findKey } from '../tokens/key-index.ts'
import { verifySignature } from '../tokens/verify-signature.ts'
import { readClientKeys } from './client-keys.ts'
import { type ReplayStore, ReplayStoreError } from './replay-store.ts'
import { isSoleAudience } from './sole-audience.ts'
import { refuseClient, type TokenError, tokenError } from './token-error.ts'

const maxLifeSeconds = 60
const leewaySeconds = 5
const maxIdLength = 256
const acceptedTypes: ReadonlySet<string> = new Set(['jwt', 'client-authentication+jwt'])

/** The client that an assertion (RFC 7523 §2.2) claims to come from; nothing in it is proven yet. */
export function readAssertionClient({ claims: { iss, sub } }: CompactJws): Result<string, string> {
  if (typeof sub !== 'string' || sub === '') return fail('assertion: sub is not a non-empty string')
  return iss === sub ? ok(sub) : fail('assertion: iss and sub differ')
}

/**
 * Checks assertions for `private_key_jwt`. The audience is this issuer and nothing else (RFC 10070: a token endpoint's
 * URL can be published by somebody else), the life is at most a minute, and each `jti` is good once. An id counts as
 * used only after the signature was found good, so nobody can use up another's ids.
 *
 * @throws Error naming the client when one of its keys may not verify signatures, or it has none
 */
export function createAssertionCheck(options: {
  readonly issuer: string
  readonly clients: Iterable<StsClient>
  readonly replay: ReplayStore
}): (client: StsClient, jws: CompactJws, now: EpochSeconds) => Promise<Result<StsClient, TokenError>> {
  const keysOf = readClientKeys(options.clients)
  return async (client, jws, now) => {
    const keys = client.authentication.kind === 'private_key_jwt' ? keysOf.get(client.id) : undefined
    if (keys === undefined) return refuseClient('the client does not use private_key_jwt')
    const key = findKey(keys, jws.header.algorithm, jws.header.keyId)
    if (!key.ok) return refuseClient(`assertion: its key is ${key.error}`)
    if (!verifySignature(jws, key.value)) return refuseClient('assertion: bad signature')
    const checked = checkClaims(jws, options.issuer, now)
    if (!checked.ok) return refuseClient(`assertion: ${checked.error}`)
    const { tokenId, expiresAt } = checked.value
    try {
      const isFirst = await options.replay.use(
        JSON.stringify(['client-assertion', options.issuer, client.id, tokenId]),
        expiresAt + leewaySeconds,
      )
      return isFirst ? ok(client) : refuseClient('assertion: jti was used before')
    } catch (cause) {
      if (!(cause instanceof ReplayStoreError)) throw cause
      return fail(tokenError('temporarily_unavailable', 'try again', cause.message))
    }
  }
}

function checkClaims(
  { header, claims }: CompactJws,
  issuer: string,
  now: EpochSeconds,
): Result<{ readonly tokenId: string; readonly expiresAt: EpochSeconds }, string> {
  const type = header.type?.toLowerCase().replace(/^application\//, '')
  if (type !== undefined && !acceptedTypes.has(type)) return fail('typ is that of another kind of token')
  const { aud, exp, iat, nbf, jti } = claims
  if (!isSoleAudience(aud, issuer)) return fail('aud is not this issuer alone')
  if (!isTime(exp)) return fail('exp is not a time')
  if (exp + leewaySeconds <= now) return fail('expired')
  if (exp > now + maxLifeSeconds + leewaySeconds) return fail(`it lives longer than ${maxLifeSeconds} s`)
  if (iat !== undefined && !(isTime(iat) && iat <= now + leewaySeconds)) return fail('iat is not a past time')
  if (nbf !== undefined && !(isTime(nbf) && nbf <= now + leewaySeconds)) return fail('nbf is not a past time')
  if (typeof jti !== 'string' || jti === '' || jti.length > maxIdLength) {
    return fail(`jti is not a string of 1 to ${maxIdLength} characters`)
  }
  return ok({ tokenId: jti, expiresAt: exp })
}

function isTime(value: unknown): value is EpochSeconds {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}
