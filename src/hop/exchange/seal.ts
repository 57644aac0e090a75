import { createCipheriv, createDecipheriv } from 'node:crypto'
import { takeRandomBytes } from '../../base/random-bytes.ts'
import { Secret } from '../../base/secret.ts'
import { isJsonObject, parseStrictJson } from '../../base/strict-json.ts'
import type { IssuedToken } from '../../model/issued-token.ts'
import { formatScope, parseScope } from '../../oauth/scope-set.ts'
import type { CacheKey } from './cache-key.ts'

/**
 * Layout of a sealed entry: version (1 byte), nonce (12), ciphertext, tag (16). Another layout or another meaning of
 * the content is another version; entries of other versions do not open.
 */
const version = 1
const prefix = Buffer.of(version)
const nonceBytes = 12
const tagBytes = 16

/** No sealed entry is longer: issued tokens are bounded by the issued-token contract. */
export const maxSealedBytes = 64 * 1024

/**
 * Encrypts an issued token for a store that others may read and write: AES-256-GCM under the key's `seal` with a
 * random nonce; version and `id` are authenticated, so that an entry opens only under the name it was written for.
 */
export function sealToken(key: CacheKey, token: IssuedToken): Buffer {
  const nonce = takeRandomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key.seal, nonce, { authTagLength: tagBytes })
  cipher.setAAD(boundData(key))
  const ciphertext = cipher.update(serialise(token), 'utf8')
  // GCM has no last block: nothing comes of this but the tag.
  cipher.final()
  return Buffer.concat([prefix, nonce, ciphertext, cipher.getAuthTag()])
}

/** Opens what {@link sealToken} made. Undefined for anything else: cut, changed, moved, foreign; never throws. */
export function openToken(key: CacheKey, sealed: Buffer): IssuedToken | undefined {
  if (sealed.length <= 1 + nonceBytes + tagBytes || sealed.length > maxSealedBytes) return undefined
  if (sealed[0] !== version) return undefined
  const nonce = sealed.subarray(1, 1 + nonceBytes)
  const decipher = createDecipheriv('aes-256-gcm', key.seal, nonce, { authTagLength: tagBytes })
  decipher.setAAD(boundData(key))
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  try {
    const opened = decipher.update(sealed.subarray(1 + nonceBytes, -tagBytes))
    // Throws for what is not authentic, and brings nothing more.
    decipher.final()
    return deserialise(opened)
  } catch {
    return undefined
  }
}

function boundData(key: CacheKey): Buffer {
  return Buffer.from(`hopgate sealed token ${version}:${key.id}`, 'latin1')
}

function serialise(token: IssuedToken): string {
  const { value, issuedTokenType, audience, scope, actors, tokenId, fingerprint, expiresAt, ...undecided } =
    token
  undecided satisfies Record<string, never>
  return JSON.stringify({
    value: value.expose(),
    issuedTokenType,
    audience,
    scope: formatScope(scope),
    actors,
    tokenId,
    fingerprint,
    expiresAt,
  })
}

/** Reads an opened entry as strictly as if a stranger had written it. */
function deserialise(opened: Buffer): IssuedToken | undefined {
  const entry = parseStrictJson(opened)
  if (!isJsonObject(entry)) return undefined
  const { value, issuedTokenType, audience, scope, actors, tokenId, fingerprint, expiresAt, ...unknown } =
    entry
  if (Object.keys(unknown).length > 0) return undefined
  if (!isText(value) || !isText(issuedTokenType) || !isText(audience) || !isText(fingerprint))
    return undefined
  if (tokenId !== undefined && typeof tokenId !== 'string') return undefined
  if (!Array.isArray(actors) || !actors.every(isText)) return undefined
  if (typeof expiresAt !== 'number' || expiresAt <= 0) return undefined
  const scopes = typeof scope === 'string' ? parseScope(scope) : undefined
  if (scopes === undefined) return undefined
  return Object.freeze({
    value: new Secret(value),
    issuedTokenType,
    audience,
    scope: scopes,
    actors,
    tokenId,
    fingerprint,
    expiresAt,
  })
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
