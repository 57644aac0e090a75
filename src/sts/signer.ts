import { sign } from 'node:crypto'
import { loadSigningKeys } from './key-file.ts'
import { generateSigningKey, type PublicSigningJwk, type SigningKeys } from './signing-keys.ts'

/** Signs the tokens that the service issues. */
export interface Signer {
  /**
   * Makes a compact JWS (RFC 7515 §3.1).
   *
   * @param type the `typ` header value, such as `at+jwt`
   */
  sign(claims: Readonly<Record<string, unknown>>, type: string): string
  /** The keys that verify what was signed, without private members, current one first. */
  publicKeys(): readonly PublicSigningJwk[]
}

/**
 * A signer with ES256 keys in this process. It signs with `node:crypto` at once: a hand-over to the thread pool
 * costs more than the signature.
 */
export function createSigner(keys: SigningKeys): Signer {
  const [current] = keys
  const headers = new Map<string, string>()
  const publicKeys = Object.freeze(keys.map(key => key.publicJwk))
  const headerOf = (type: string): string => {
    let header = headers.get(type)
    if (header === undefined) {
      header = encode({ alg: 'ES256', kid: current.publicJwk.kid, typ: type })
      headers.set(type, header)
    }
    return header
  }
  return {
    sign(claims, type) {
      const input = `${headerOf(type)}.${encode(claims)}`
      const signature = sign('sha256', Buffer.from(input, 'ascii'), {
        key: current.privateKey,
        dsaEncoding: 'ieee-p1363',
      })
      return `${input}.${signature.toString('base64url')}`
    },
    publicKeys: () => publicKeys,
  }
}

/**
 * A signer with the keys of a file, which is made on first use; without a file, with a new key that ends with the
 * process.
 *
 * @throws Error for a file that cannot be used, see `loadSigningKeys`
 */
export function openSigner(file: string | undefined): Signer {
  return createSigner(openSigningKeys(file))
}

/** The keys of {@link openSigner}, for processes that are to sign with the same ones. */
export function openSigningKeys(file: string | undefined): SigningKeys {
  return file === undefined ? [generateSigningKey()] : loadSigningKeys(file)
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}
