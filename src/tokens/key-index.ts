import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject } from '../base/strict-json.ts'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import { describeValue } from './describe-value.ts'
import { type KeyUse, readVerificationKey } from './key-hygiene.ts'
import { isSameAlgorithm } from './signature-algorithm.ts'
import type { UsableKey } from './verify-signature.ts'

/** The usable keys of one JWK set (RFC 7517 §5), ready for look-ups. Never changed; a new document makes a new one. */
export interface KeyIndex {
  readonly keys: ReadonlySet<UsableKey>
  readonly byKeyId: ReadonlyMap<string, readonly UsableKey[]>
  /** One line for each key that is not usable, with its `kid` and the reason. */
  readonly ignored: readonly string[]
}

/** Why no key was found: none fits, or more than one does and a guess would be needed. */
export type KeyMiss = 'unknown' | 'ambiguous'

export interface KeyIndexRules {
  /** The issuer's algorithms. */
  readonly algorithms: readonly SignatureAlgorithm[]
  /** A set with more keys is refused as a whole. */
  readonly maxKeys: number
  /** Keys for anything else are ignored. Default `sig`. */
  readonly use?: KeyUse | undefined
}

/**
 * Reads a JWK set. A set without one usable key is refused, so that an issuer's mishap does not replace good keys.
 *
 * @param previous a key that it already holds is taken over as the same object, so that tokens verified with it stay known
 */
export function readKeyIndex(
  document: unknown,
  rules: KeyIndexRules,
  previous?: KeyIndex,
): Result<KeyIndex, string> {
  const jwks = isJsonObject(document) ? document.keys : undefined
  if (!Array.isArray(jwks)) return fail('not a JWK set')
  if (jwks.length > rules.maxKeys) return fail(`more than ${rules.maxKeys} keys`)
  const keys = new Set<UsableKey>()
  const ignored: string[] = []
  for (const jwk of jwks as readonly unknown[]) {
    const read = readVerificationKey(jwk, rules.algorithms, rules.use)
    if (!read.ok) ignored.push(`kid ${describeValue(isJsonObject(jwk) ? jwk.kid : undefined)}: ${read.error}`)
    else if (findEqual(keys, read.value) === undefined)
      keys.add(findEqual(previous?.keys, read.value) ?? read.value)
  }
  if (keys.size === 0) return fail(['no usable key', ...ignored].join('; '))
  const byKeyId = Map.groupBy(
    [...keys].filter(key => key.keyId !== undefined),
    key => key.keyId as string,
  )
  return ok({ keys, byKeyId, ignored })
}

/**
 * Finds the one key for a signature: by exact `kid`, or without a `kid` when exactly one key fits the algorithm.
 * A `kid` is never resolved to a key of another name, and a key never serves an algorithm other than its own.
 */
export function findKey(
  index: KeyIndex,
  algorithm: string,
  keyId: string | undefined,
): Result<UsableKey, KeyMiss> {
  const candidates = keyId === undefined ? index.keys : (index.byKeyId.get(keyId) ?? [])
  let found: UsableKey | undefined
  for (const key of candidates) {
    if (!isSameAlgorithm(key.algorithm, algorithm)) continue
    if (found !== undefined) return fail('ambiguous')
    found = key
  }
  return found === undefined ? fail('unknown') : ok(found)
}

function findEqual(keys: Iterable<UsableKey> | undefined, wanted: UsableKey): UsableKey | undefined {
  for (const key of keys ?? []) {
    if (key.keyId !== wanted.keyId || key.algorithm !== wanted.algorithm) continue
    if (key.publicKey.equals(wanted.publicKey)) return key
  }
  return undefined
}
