import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { formatScryptHash, hashSecret } from '../base/scrypt-hash.ts'
import type { Command } from './command.ts'

/**
 * `hopgate client-secret`: makes a client secret of 256 random bits and prints it with its hash, for the client and for
 * `secret_hash` at the token service. `hopgate client-secret --stdin` prints the hash of a secret that exists; it is read
 * from standard input, where neither the list of processes nor the shell's history has it.
 */
export const clientSecret: Command = async (args, output) => {
  const isGiven = readStdinOption(args)
  if (isGiven === undefined) {
    output.stderr.write('Usage: hopgate client-secret [--stdin]\n')
    return 2
  }
  const secret = isGiven
    ? (await text(process.stdin)).replace(/\r?\n$/, '')
    : randomBytes(32).toString('base64url')
  if (!/^[\x20-\x7e]{16,512}$/.test(secret)) {
    output.stderr.write('hopgate: a secret is one line of 16 to 512 characters of visible ASCII\n')
    return 1
  }
  const hash = formatScryptHash(await hashSecret(secret))
  output.stdout.write(isGiven ? `${hash}\n` : `secret: ${secret}\nsecret_hash: ${hash}\n`)
  return 0
}

function readStdinOption(args: string[]): boolean | undefined {
  try {
    return parseArgs({ args, options: { stdin: { type: 'boolean' } } }).values.stdin ?? false
  } catch {
    return undefined
  }
}
