import { KeyObject } from 'node:crypto'
import { type BigIntStats, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { JWK } from 'jose'
import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject, parseStrictJson } from '../base/strict-json.ts'
import type { SignatureAlgorithm } from '../config/sidecar-config.ts'
import { isKeyId } from './key-id.ts'
import { isSignatureAlgorithm } from './signature-algorithm.ts'

/** A private key of ours, ready to sign. */
export interface ClientKey {
  readonly algorithm: SignatureAlgorithm
  readonly keyId: string | undefined
  readonly privateKey: KeyObject
}

const maxBytes = 64 * 1024

/**
 * A file with one private JWK (RFC 7517) that names its `alg`. It is looked at each time and read again when it is
 * another file or has changed. There is no falling back on the key read before: a key that was taken away is not used.
 */
export class ClientKeyFile {
  readonly #file: string
  #loaded: { readonly identity: string; readonly key: ClientKey } | undefined

  constructor(file: string) {
    this.#file = file
  }

  /** The key as the file has it now. The error names the file and the reason, and nothing of the content. */
  async read(): Promise<Result<ClientKey, string>> {
    try {
      // At once: this is part of every exchange, and a hand-over to the thread pool costs ten times what the look does.
      if (this.#loaded?.identity === identityOf(statSync(this.#file, { bigint: true }))) {
        return ok(this.#loaded.key)
      }
      const handle = await open(this.#file, 'r')
      try {
        const facts = await handle.stat({ bigint: true })
        if (!facts.isFile()) return this.#fail('it is not a regular file')
        if (facts.size > maxBytes) return this.#fail(`it is larger than ${maxBytes} bytes`)
        const identity = identityOf(facts)
        const key = await importKey(await handle.readFile())
        if (!key.ok) return this.#fail(key.error)
        this.#loaded = { identity, key: key.value }
        return key
      } finally {
        await handle.close()
      }
    } catch (cause) {
      return this.#fail(cause instanceof Error && 'code' in cause ? String(cause.code) : 'it cannot be read')
    }
  }

  #fail(reason: string): Result<never, string> {
    this.#loaded = undefined
    return fail(`client key ${this.#file}: ${reason}`)
  }
}

/** Changes with the file, its content and who may read it. */
function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
}

async function importKey(content: Buffer): Promise<Result<ClientKey, string>> {
  const jwk = parseStrictJson(content)
  if (!isJsonObject(jwk)) return fail('it does not hold one JSON Web Key')
  const { kty, alg, kid, use, d } = jwk
  if (kty === 'oct' || typeof d !== 'string') return fail('the key is not the private half of a key pair')
  if (!isSignatureAlgorithm(alg)) return fail('the key has no alg that is supported')
  if (kid !== undefined && !isKeyId(kid)) return fail('kid is not a string of 1 to 256 characters')
  if (use !== undefined && use !== 'sig') return fail('the key is not meant for signatures')
  try {
    // Loaded on first use: a sidecar that authenticates with a secret starts without it.
    const { importJWK } = await import('jose')
    const privateKey = await importJWK({ ...jwk } as JWK, alg, { extractable: true })
    if (privateKey instanceof Uint8Array) return fail('the key is not a private key')
    return ok({ algorithm: alg, keyId: kid, privateKey: KeyObject.from(privateKey) })
  } catch {
    // The library's message is left out: it may quote members of the key.
    return fail(`the key does not fit its alg ${alg}`)
  }
}
