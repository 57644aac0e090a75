import { randomBytes, scrypt } from 'node:crypto'
import { fail, ok, type Result } from './result.ts'

/** What one hash costs (RFC 7914 §2). */
export interface ScryptCost {
  /** `ln`: the logarithm, to the base 2, of the CPU and memory cost N. */
  readonly logN: number
  /** `r`: block size. Memory is 128 · N · r bytes. */
  readonly blockSize: number
  /** `p`: how often it is done over, one after the other. */
  readonly parallelism: number
  readonly keyBytes: number
}

/** A hash that a secret can be compared with. */
export interface ScryptHash {
  readonly cost: ScryptCost
  readonly salt: Buffer
  readonly key: Buffer
}

/**
 * For secrets of 256 random bits, of which none can be guessed whatever a guess costs, and some protection for those that
 * people made up: 32 MiB and some 70 ms.
 */
export const defaultScryptCost: ScryptCost = { logN: 15, blockSize: 8, parallelism: 1, keyBytes: 32 }

/** Memory of one hash: whoever writes a configuration must not be able to write down an outage. */
const maxMemoryBytes = 128 * 1024 * 1024

const phc = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/**
 * Reads `$scrypt$ln=15,r=8,p=1$SALT$HASH`, the PHC string form, in standard base64 without padding.
 *
 * @returns the error follows "a hash which"; it quotes nothing
 */
export function parseScryptHash(text: string): Result<ScryptHash, string> {
  const [, logN, blockSize, parallelism, salt, key] = phc.exec(text) ?? []
  if (salt === undefined || key === undefined) return fail('is no PHC string of scrypt')
  const read = { salt: decodeBase64(salt), key: decodeBase64(key) }
  if (read.salt === undefined || read.key === undefined) return fail('is not in canonical base64')
  const cost = {
    logN: Number(logN),
    blockSize: Number(blockSize),
    parallelism: Number(parallelism),
    keyBytes: read.key.length,
  }
  if (cost.logN < 14 || cost.blockSize < 8 || cost.parallelism < 1)
    return fail('is too cheap: ln=14,r=8,p=1 is least')
  if (128 * 2 ** cost.logN * cost.blockSize > maxMemoryBytes || cost.parallelism > 8) {
    return fail('is too expensive: 128 MiB and p=8 are most')
  }
  if (read.salt.length < 8 || read.salt.length > 64) return fail('has a salt that is not 8 to 64 bytes long')
  if (read.key.length < 32 || read.key.length > 64) return fail('has a key that is not 32 to 64 bytes long')
  return ok({ cost, salt: read.salt, key: read.key })
}

/** The PHC string of a hash. */
export function formatScryptHash({ cost, salt, key }: ScryptHash): string {
  const parameters = `ln=${cost.logN},r=${cost.blockSize},p=${cost.parallelism}`
  return `$scrypt$${parameters}$${encodeBase64(salt)}$${encodeBase64(key)}`
}

/** Hashes a secret with a salt of its own. */
export async function hashSecret(secret: string, cost: ScryptCost = defaultScryptCost): Promise<ScryptHash> {
  const salt = randomBytes(16)
  return { cost, salt, key: await deriveKey(secret, salt, cost) }
}

/** The key of a secret and a salt. It is worked out in another thread. */
export function deriveKey(secret: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  const { logN, blockSize, parallelism, keyBytes } = cost
  const memory = 128 * blockSize * (2 ** logN + parallelism + 2)
  const options = { N: 2 ** logN, r: blockSize, p: parallelism, maxmem: memory }
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, keyBytes, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return encodeBase64(bytes) === text ? bytes : undefined
}

function encodeBase64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}
