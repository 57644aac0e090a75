import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { sha256Base64Url } from '../base/digest.ts'
import { isJsonObject } from '../base/strict-json.ts'

/** One ES256 key pair. The public half is a JWK as it is published. */
export interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicJwk: PublicSigningJwk
}

/** The key that signs, then the ones that are still published. Never empty. */
export type SigningKeys = readonly [SigningKey, ...SigningKey[]]

/** A public ES256 key (RFC 7517, RFC 7518 §6.2.1). */
export interface PublicSigningJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly alg: 'ES256'
  readonly use: 'sig'
  /** RFC 7638 thumbprint. */
  readonly kid: string
}

/** Makes a new key pair. */
export function generateSigningKey(): SigningKey {
  return signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
}

/**
 * Writes keys as a private JWK set (RFC 7517 §5). The text is a secret: it goes to the key file, to the own workers over
 * the channel that only they share, and nowhere else.
 */
export function formatSigningKeys(keys: SigningKeys): string {
  const set = keys.map(({ privateKey, publicJwk }) => ({
    ...publicJwk,
    d: privateKey.export({ format: 'jwk' })['d'],
  }))
  return `${JSON.stringify({ keys: set }, undefined, 2)}\n`
}

/**
 * Reads a private JWK set as {@link formatSigningKeys} writes it.
 *
 * @throws Error that says what is wrong and quotes nothing of the text
 */
export function parseSigningKeys(text: string): SigningKeys {
  const keys = readKeyList(text).map((jwk, index) => readSigningKey(jwk, `key ${index + 1}`))
  const [first, ...rest] = keys
  if (first === undefined) throw new Error('it holds no key')
  if (new Set(keys.map(key => key.publicJwk.kid)).size !== keys.length)
    throw new Error('a key is there twice')
  return [first, ...rest]
}

function readKeyList(text: string): readonly unknown[] {
  let set: unknown
  try {
    set = JSON.parse(text)
  } catch {
    // Nothing of the parser's message: it quotes the text, and the text holds private keys.
    throw new Error('it is not JSON')
  }
  if (!isJsonObject(set) || !Array.isArray(set['keys'])) throw new Error('it is not a JWK set')
  return set['keys']
}

function readSigningKey(jwk: unknown, name: string): SigningKey {
  if (!isJsonObject(jwk)) throw new Error(`${name} is not an object`)
  const { kty, crv, x, y, d, alg, use, kid } = jwk
  if (kty !== 'EC' || crv !== 'P-256') throw new Error(`${name} is not a P-256 key`)
  if (typeof x !== 'string' || typeof y !== 'string' || typeof d !== 'string') {
    throw new Error(`${name} lacks x, y or d`)
  }
  if ((alg !== undefined && alg !== 'ES256') || (use !== undefined && use !== 'sig')) {
    throw new Error(`${name} is not meant for ES256 signatures`)
  }
  const key = importKey({ kty, crv, x, y, d }, name)
  if (key.publicJwk.x !== x || key.publicJwk.y !== y) {
    throw new Error(`the halves of ${name} do not belong together`)
  }
  if (kid !== undefined && kid !== key.publicJwk.kid)
    throw new Error(`the kid of ${name} is not its thumbprint`)
  return key
}

/** OpenSSL refuses a point that is off the curve and halves that do not belong together. */
function importKey(jwk: Record<string, string>, name: string): SigningKey {
  try {
    return signingKey(createPrivateKey({ key: jwk, format: 'jwk' }))
  } catch {
    throw new Error(`${name} is not a valid key`)
  }
}

function signingKey(privateKey: KeyObject): SigningKey {
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const kid = sha256Base64Url(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
  return {
    privateKey,
    publicJwk: Object.freeze({ kty: 'EC', crv: 'P-256', x, y, alg: 'ES256', use: 'sig', kid }),
  }
}
