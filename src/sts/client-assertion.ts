import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import { type CompactJws, readCompactJws } from '../tokens/compact-jws.ts'
import { findKey } from '../tokens/key-index.ts'
import { verifySignature } from '../tokens/verify-signature.ts'
import { readClientKeys } from './client-keys.ts'
import { type ReplayStore, ReplayStoreError } from './replay-store.ts'
import { refuseClient, type TokenError, tokenError } from './token-error.ts'

/** A client assertion (RFC 7523 §2.2) that is well formed; nothing in it is proven yet. */
export interface ClientAssertion {
  /** `sub`, the client that it claims to come from. */
  readonly clientId: string
  readonly jws: CompactJws
}

const maxBytes = 8 * 1024
const maxLifeSeconds = 60
const leewaySeconds = 5
const maxIdLength = 256
const acceptedTypes: ReadonlySet<string> = new Set(['jwt', 'client-authentication+jwt'])

/** Reads an assertion as far as the client id that it claims. */
export function readClientAssertion(text: string): Result<ClientAssertion, string> {
  const jws = readCompactJws(text, maxBytes)
  if (!jws.ok) return fail(`assertion: ${jws.error}`)
  const { sub, iss } = jws.value.claims
  if (typeof sub !== 'string' || sub === '') return fail('assertion: sub is not a non-empty string')
  if (iss !== sub) return fail('assertion: iss and sub differ')
  return ok({ clientId: sub, jws: jws.value })
}

/**
 * Checks assertions for `private_key_jwt`. The audience is this issuer and nothing else (RFC 10070: a token endpoint's
 * URL can be published by somebody else), the life is at most a minute, and each `jti` is good once. An id counts as
 * used only after the signature was found good, so nobody can use up another's ids.
 */
export function createAssertionCheck(options: {
  readonly issuer: string
  readonly clients: ReadonlyMap<string, StsClient>
  readonly replay: ReplayStore
}): (assertion: ClientAssertion, now: EpochSeconds) => Promise<Result<StsClient, TokenError>> {
  const keysOf = readClientKeys(options.clients.values())
  return async ({ clientId, jws }, now) => {
    const client = options.clients.get(clientId)
    const keys = keysOf.get(clientId)
    if (client === undefined || keys === undefined) return refuseClient('no client that uses private_key_jwt')
    const key = findKey(keys, jws.header.algorithm, jws.header.keyId)
    if (!key.ok) return refuseClient(`assertion: its key is ${key.error}`)
    if (!verifySignature(jws, key.value)) return refuseClient('assertion: bad signature')
    const checked = checkClaims(jws, options.issuer, now)
    if (!checked.ok) return refuseClient(`assertion: ${checked.error}`)
    const { tokenId, expiresAt } = checked.value
    try {
      const isFirst = await options.replay.use(
        JSON.stringify(['client-assertion', options.issuer, clientId, tokenId]),
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
  const audience = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud
  if (audience !== issuer) return fail('aud is not this issuer alone')
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
