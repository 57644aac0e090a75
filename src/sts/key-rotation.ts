import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { SigningAlgorithm } from '../config/sidecar-config.ts'
import { endOf, scheduleKeys, startOf, stateOf } from './key-schedule.ts'
import { keySetMaxAgeSeconds } from './key-set-max-age.ts'
import { clockLeewaySeconds } from './signer.ts'
import { generateSigningKey, type SigningKey, type SigningKeys } from './signing-keys.ts'

/** What the times of a rotation follow from. */
export interface RotationTerms {
  readonly now: EpochSeconds
  readonly algorithm: SigningAlgorithm
  /** Longest life of an issued token. */
  readonly maxTtlSeconds: number
  /** Within this time the file is in every replica of the service. */
  readonly spreadSeconds: number
}

/** What became of the keys. */
export interface Rotation {
  readonly keys: SigningKeys
  /** The key that signs next, or from now on. */
  readonly signer: SigningKey
}

/** Kubernetes takes up to a minute and a half to bring a changed Secret to every node. */
export const defaultSpreadSeconds = 120

/**
 * Adds a key that is published at once and signs when every verifier has fetched it: after the file has reached every
 * replica, and after that the cache time of the key set. The key that signs until then stays until what it signed has
 * ended. Keys that have ended go.
 */
export function rotateKeys(keys: SigningKeys, terms: RotationTerms): Result<Rotation, string> {
  const next = findNext(keys, terms.now)
  if (next !== undefined) return fail(`${next.publicJwk.kid} is going to sign next: there is one already`)
  const now = Math.floor(terms.now)
  const signsFrom = now + terms.spreadSeconds + keySetMaxAgeSeconds
  return ok(appoint(keys, generateSigningKey(terms.algorithm, { createdAt: now, signsFrom }), terms))
}

/**
 * For emergencies: lets the next key sign at once, a new one when there is none. Verifiers whose key set is from before
 * it was published refuse its tokens until they fetch the set again.
 */
export function rotateKeysNow(keys: SigningKeys, terms: RotationTerms): Rotation {
  return appointNow(keys, terms)
}

/** Removes a key that nobody needs any more, or that was to sign next; any other stays. */
export function retireKey(
  keys: SigningKeys,
  keyId: string,
  { now, spreadSeconds }: Pick<RotationTerms, 'now' | 'spreadSeconds'>,
): Result<{ readonly keys: SigningKeys }, string> {
  const key = findKey(keys, keyId)
  if (key === undefined) return noSuchKey(keyId)
  switch (stateOf(key, keys, now)) {
    case 'current':
      return fail(`${keyId} signs: rotate, and retire it when its last token has ended`)
    case 'retiring':
      return fail(
        key.publishedUntil === undefined
          ? `${keyId} may have signed tokens that are alive; the next rotation gives it an end`
          : `${keyId} may have signed tokens that are alive until ${new Date(key.publishedUntil * 1000).toISOString()}`,
      )
    case 'next':
      // A replica that does not have the file yet signs with it when its time has come.
      if (startOf(key) - now <= spreadSeconds + clockLeewaySeconds) return fail(`${keyId} is about to sign`)
      return ok({ keys: settle(keys.filter(one => one !== key)) })
    case 'ended':
      return ok({ keys: settle(keys.filter(one => one !== key)) })
  }
}

/**
 * Removes a key that somebody else may hold: what it signed is refused from then on. When it is the one that signs, the
 * next one takes its place at once, or a new one.
 */
export function retireCompromisedKey(
  keys: SigningKeys,
  keyId: string,
  terms: RotationTerms,
): Result<Rotation, string> {
  const key = findKey(keys, keyId)
  if (key === undefined) return noSuchKey(keyId)
  const rest = keys.filter(one => one !== key)
  if (stateOf(key, keys, terms.now) === 'current') return ok(appointNow(rest, terms))
  const left = settle(rest)
  return ok({ keys: left, signer: scheduleKeys(left, terms.now).current })
}

function appointNow(keys: readonly SigningKey[], terms: RotationTerms): Rotation {
  const now = Math.floor(terms.now)
  const next =
    findNext(keys, terms.now) ?? generateSigningKey(terms.algorithm, { createdAt: now, signsFrom: now })
  return appoint(keys, { ...next, signsFrom: now }, terms)
}

/** Makes a key the last signer that is known of. First in the file, it is before one of the same second. */
function appoint(keys: readonly SigningKey[], signer: SigningKey, terms: RotationTerms): Rotation {
  const ends = startOf(signer) + terms.maxTtlSeconds + clockLeewaySeconds
  const others = keys
    .filter(key => key.publicJwk.kid !== signer.publicJwk.kid && !(endOf(key) <= terms.now))
    .map(key => ({ ...key, publishedUntil: key.publishedUntil ?? ends }))
  return { keys: settle([signer, ...others]), signer }
}

/** Nothing follows on the last signer: it has no end, also when it had one because of a key that is gone again. */
function settle(keys: readonly SigningKey[]): SigningKeys {
  const last = keys.reduce((best, key) => (startOf(key) > startOf(best) ? key : best))
  const [first, ...others] = keys.map(key => (key === last ? { ...key, publishedUntil: undefined } : key))
  return [first as SigningKey, ...others]
}

function findKey(keys: SigningKeys, keyId: string): SigningKey | undefined {
  return keys.find(({ publicJwk }) => publicJwk.kid === keyId)
}

/** The key that is to sign after the current one. */
function findNext(keys: readonly SigningKey[], now: EpochSeconds): SigningKey | undefined {
  const [next] = keys.filter(key => startOf(key) > now).toSorted((a, b) => startOf(a) - startOf(b))
  return next
}

function noSuchKey(keyId: string): Result<never, string> {
  return fail(`${JSON.stringify(keyId)} is not one of the keys`)
}
