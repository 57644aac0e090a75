import { randomUUID, sign } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import { encode, type TestIssuer } from '../support/tokens.ts'

const signInPool = promisify(sign)

/** Signed at the same time, by the threads of Node's pool. */
const batch = 256

/**
 * Files of lines `PATH TOKEN` with as many different tokens as are asked for. A file is made once in a run and used by
 * every fresh process: nobody remembers its tokens.
 */
export class TokenLines {
  readonly #folder: string
  readonly #files = new Map<string, Promise<string>>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The path of a file with so many tokens of an issuer, all for one path. */
  of(issuer: TestIssuer, count: number): Promise<string> {
    const name = `${issuer.algorithm}-${count}.lines`
    const file = this.#files.get(name) ?? this.#write(join(this.#folder, name), issuer, count)
    this.#files.set(name, file)
    return file
  }

  async #write(path: string, issuer: TestIssuer, count: number): Promise<string> {
    process.stderr.write(`signing ${count} tokens with ${issuer.algorithm}\n`)
    const file = createWriteStream(path, { mode: 0o600 })
    for (let index = 0; index < count; index += batch) {
      const size = Math.min(batch, count - index)
      const tokens = await Promise.all(Array.from({ length: size }, () => signToken(issuer)))
      file.write(tokens.map(token => `/orders/17 ${token}\n`).join(''))
    }
    file.end()
    await finished(file)
    return path
  }
}

/** A token of some 600 bytes whatever the algorithm: the claims fill up what a short signature leaves. */
export async function signToken({ issuer, algorithm, kid, privateKey }: TestIssuer): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: issuer,
    sub: randomUUID(),
    aud: 'shop-web',
    client_id: 'shop-web',
    scope: 'orders:read',
    iat: now,
    exp: now + 4 * 3600,
    jti: randomUUID(),
    ...(algorithm === 'ES256' && { groups: Array.from({ length: 4 }, () => randomUUID()) }),
  }
  const input = `${encode(JSON.stringify({ alg: algorithm, kid, typ: 'at+jwt' }))}.${encode(JSON.stringify(claims))}`
  const key = algorithm === 'ES256' ? { key: privateKey, dsaEncoding: 'ieee-p1363' as const } : privateKey
  const signature = await signInPool('sha256', Buffer.from(input), key)
  return `${input}.${signature.toString('base64url')}`
}
