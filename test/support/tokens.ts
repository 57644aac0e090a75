import { constants, generateKeyPair, type KeyObject, randomUUID, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { JWK } from 'jose'

export type TestAlgorithm = 'ES256' | 'RS256' | 'PS256' | 'EdDSA'

/** An authorization server's signing half, in memory. */
export interface TestIssuer {
  readonly issuer: string
  readonly algorithm: TestAlgorithm
  readonly kid: string
  /** The public key, with `kid`, `alg` and `use`. */
  readonly jwk: JWK
  readonly jwks: { readonly keys: JWK[] }
  readonly privateKey: KeyObject
  /**
   * Signs an access token. Defaults: `iss`, `sub: alice`, `aud` and `client_id` `shop-web`, empty `scope`, `iat` now,
   * `exp` in 300 s, a random `jti`; header `alg`, `kid`, `typ: at+jwt`. Whatever is given replaces its default, and
   * `undefined` removes it.
   */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  /** Signs the two texts as they are, well formed or not. */
  signRaw(headerText: string, payloadText: string): string
}

/** Makes an issuer with a new key pair. */
export async function createTestIssuer(
  options: { readonly issuer?: string; readonly algorithm?: TestAlgorithm; readonly kid?: string } = {},
): Promise<TestIssuer> {
  const { issuer = 'https://login.example.com/realms/shop', algorithm = 'ES256', kid = 'k1' } = options
  const { publicKey, privateKey } = await generate(algorithm)
  const jwk: JWK = { ...(publicKey.export({ format: 'jwk' }) as JWK), kid, alg: algorithm, use: 'sig' }
  const signRaw = (headerText: string, payloadText: string): string => {
    const input = `${encode(headerText)}.${encode(payloadText)}`
    return `${input}.${signInput(algorithm, privateKey, input).toString('base64url')}`
  }
  return {
    issuer,
    algorithm,
    kid,
    jwk,
    jwks: { keys: [jwk] },
    privateKey,
    signRaw,
    async sign(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000)
      const payload = {
        iss: issuer,
        sub: 'alice',
        aud: 'shop-web',
        client_id: 'shop-web',
        scope: '',
        iat: now,
        exp: now + 300,
        jti: randomUUID(),
        ...claims,
      }
      return signRaw(
        JSON.stringify({ alg: algorithm, kid, typ: 'at+jwt', ...header }),
        JSON.stringify(payload),
      )
    },
  }
}

/** Base64url of a text's UTF-8 bytes. */
export function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url')
}

const generateAsync = promisify(generateKeyPair)

async function generate(
  algorithm: TestAlgorithm,
): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
  if (algorithm === 'ES256') return generateAsync('ec', { namedCurve: 'P-256' })
  if (algorithm === 'EdDSA') return generateAsync('ed25519')
  return generateAsync('rsa', { modulusLength: 2048 })
}

function signInput(algorithm: TestAlgorithm, key: KeyObject, input: string): Buffer {
  const bytes = Buffer.from(input, 'ascii')
  if (algorithm === 'ES256') return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
  if (algorithm === 'EdDSA') return sign(null, bytes, key)
  if (algorithm === 'PS256')
    return sign('sha256', bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
  return sign('sha256', bytes, key)
}
