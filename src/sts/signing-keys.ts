import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import type { EpochSeconds } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import { isJsonObject } from '../base/strict-json.ts'
import type { SigningAlgorithm } from '../config/sidecar-config.ts'
import { readVerificationKey } from '../tokens/key-hygiene.ts'

/** One key pair for one algorithm, with the times that decide when it signs and how long it is published. */
export interface SigningKey {
  readonly privateKey: KeyObject
  /** The public half as it is published. */
  readonly publicJwk: PublicSigningJwk
  /** undefined in files of before there were times. */
  readonly createdAt: EpochSeconds | undefined
  /** It may sign from then on; undefined: at any time. */
  readonly signsFrom: EpochSeconds | undefined
  /** It is published until then; undefined: for as long as it is in the file. */
  readonly publishedUntil: EpochSeconds | undefined
}

/** All keys of a service in the order of their file. Never empty. Which one signs is for the times to say. */
export type SigningKeys = readonly [SigningKey, ...SigningKey[]]

/** A public key (RFC 7517, RFC 7518 §6, RFC 8037 §2): what its `kty` needs, and nothing private. */
export interface PublicSigningJwk {
  readonly kty: 'EC' | 'OKP' | 'RSA'
  readonly crv?: string
  readonly x?: string
  readonly y?: string
  readonly n?: string
  readonly e?: string
  readonly alg: SigningAlgorithm
  readonly use: 'sig'
  /** RFC 7638 thumbprint. */
  readonly kid: string
}

/** Every algorithm that the service can sign with. */
export const signingAlgorithms: readonly SigningAlgorithm[] = ['ES256', 'EdDSA', 'RS256', 'PS256']

/** Whether a text names one of them, exactly. */
export function isSigningAlgorithm(text: string): text is SigningAlgorithm {
  return signingAlgorithms.some(algorithm => algorithm === text)
}

/** What makes a key, in the order that RFC 7638 §3.2 and RFC 8037 §2 give its members for the thumbprint. */
const publicMembers = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
} as const
const privateMembers = { EC: ['d'], OKP: ['d'], RSA: ['d', 'p', 'q', 'dp', 'dq', 'qi'] } as const

/** NIST SP 800-57: 128 bits of security, as P-256 and Ed25519 have. */
const rsaBits = 3072

/** Makes a new key pair that may sign at once and is published for good; whoever rotates sets other times. */
export function generateSigningKey(
  algorithm: SigningAlgorithm = 'ES256',
  times: Partial<Pick<SigningKey, 'createdAt' | 'signsFrom'>> = {},
): SigningKey {
  const { createdAt, signsFrom } = times
  return {
    ...readPair(generatePrivateKey(algorithm), algorithm),
    createdAt,
    signsFrom,
    publishedUntil: undefined,
  }
}

function generatePrivateKey(algorithm: SigningAlgorithm): KeyObject {
  switch (algorithm) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'EdDSA':
      return generateKeyPairSync('ed25519').privateKey
    case 'RS256':
    case 'PS256':
      return generateKeyPairSync('rsa', { modulusLength: rsaBits }).privateKey
  }
}

/**
 * Writes keys as a private JWK set (RFC 7517 §5) whose keys have `iat`, `nbf` and `exp` with the meaning of OpenID
 * Federation 1.0 §8.7: made, signs from, published until. The text is a secret: it goes to the key file, to the own
 * workers over the channel that only they share, and nowhere else.
 */
export function formatSigningKeys(keys: SigningKeys): string {
  const set = keys.map(({ privateKey, publicJwk, createdAt, signsFrom, publishedUntil }) => {
    const jwk = privateKey.export({ format: 'jwk' })
    const secret = Object.fromEntries(privateMembers[publicJwk.kty].map(member => [member, jwk[member]]))
    return { ...publicJwk, ...secret, iat: createdAt, nbf: signsFrom, exp: publishedUntil }
  })
  return `${JSON.stringify({ keys: set }, undefined, 2)}\n`
}

/**
 * Reads a private JWK set as {@link formatSigningKeys} writes it, or a plain one.
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
  const algorithm = readAlgorithm(jwk, name)
  const { use, kid } = jwk
  if (use !== undefined && use !== 'sig') throw new Error(`${name} is not meant for signatures`)
  const pair = importPair(jwk, algorithm, name)
  for (const member of publicMembers[pair.publicJwk.kty]) {
    if (pair.publicJwk[member] !== jwk[member]) {
      throw new Error(`the halves of ${name} do not belong together`)
    }
  }
  if (kid !== undefined && kid !== pair.publicJwk.kid) {
    throw new Error(`the kid of ${name} is not its thumbprint`)
  }
  const fit = readVerificationKey({ ...pair.publicJwk }, signingAlgorithms)
  if (!fit.ok) throw new Error(`${name} is not a good key: ${fit.error}`)
  if (!verifiesItself(pair.privateKey, fit.value.publicKey)) {
    throw new Error(`the halves of ${name} do not belong together`)
  }
  return {
    ...pair,
    createdAt: readTime(jwk['iat'], name),
    signsFrom: readTime(jwk['nbf'], name),
    publishedUntil: readTime(jwk['exp'], name),
  }
}

/** The one that `alg` names; without `alg` the only one that fits, for RSA the one that everybody can verify. */
function readAlgorithm({ kty, crv, alg }: Readonly<Record<string, unknown>>, name: string): SigningAlgorithm {
  const fitting: readonly SigningAlgorithm[] =
    kty === 'EC' && crv === 'P-256'
      ? ['ES256']
      : kty === 'OKP' && crv === 'Ed25519'
        ? ['EdDSA']
        : kty === 'RSA'
          ? ['RS256', 'PS256']
          : []
  const [usual] = fitting
  if (usual === undefined) throw new Error(`${name} is not a P-256, Ed25519 or RSA key`)
  const algorithm = alg === undefined ? usual : fitting.find(one => one === alg)
  if (algorithm === undefined) throw new Error(`${name} is not meant for ${fitting.join(' or ')} signatures`)
  return algorithm
}

/** OpenSSL refuses a point that is off the curve; halves that do not belong together it takes for RSA. */
function importPair(
  jwk: Readonly<Record<string, unknown>>,
  algorithm: SigningAlgorithm,
  name: string,
): Pick<SigningKey, 'privateKey' | 'publicJwk'> {
  const kty = jwk['kty'] as PublicSigningJwk['kty']
  const key: Record<string, string> = {}
  for (const member of [...publicMembers[kty], ...privateMembers[kty]]) {
    const value = jwk[member]
    if (typeof value !== 'string') throw new Error(`${name} lacks ${member}`)
    key[member] = value
  }
  try {
    return readPair(createPrivateKey({ key, format: 'jwk' }), algorithm)
  } catch {
    throw new Error(`${name} is not a valid key`)
  }
}

function verifiesItself(privateKey: KeyObject, publicKey: KeyObject): boolean {
  const probe = Buffer.from('hopgate')
  const hash = publicKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  try {
    return verify(hash, probe, publicKey, sign(hash, probe, privateKey))
  } catch {
    return false
  }
}

function readTime(value: unknown, name: string): EpochSeconds | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new Error(`a time of ${name} is not a number of seconds`)
}

function readPair(
  privateKey: KeyObject,
  algorithm: SigningAlgorithm,
): Pick<SigningKey, 'privateKey' | 'publicJwk'> {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  const kty = jwk.kty as PublicSigningJwk['kty']
  const members = Object.fromEntries(publicMembers[kty].map(member => [member, jwk[member]]))
  const kid = sha256Base64Url(JSON.stringify(members))
  const publicJwk = { ...members, kty, alg: algorithm, use: 'sig', kid } as const
  return { privateKey, publicJwk: Object.freeze(publicJwk) }
}
