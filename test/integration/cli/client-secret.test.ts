import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { deriveKey, parseScryptHash } from '../../../src/base/scrypt-hash.ts'
import { projectRoot } from '../../support/source-files.ts'

function run(args: readonly string[], input = ''): Promise<{ code: number; out: string; err: string }> {
  return new Promise(resolve => {
    const main = join(projectRoot, 'src/main.ts')
    const child = execFile(process.execPath, [main, 'client-secret', ...args], (error, out, err) => {
      resolve({ code: Number(error?.code ?? 0), out, err })
    })
    child.stdin?.end(input)
  })
}

async function isHashOf(text: string, secret: string): Promise<boolean> {
  const hash = parseScryptHash(text)
  if (!hash.ok) throw new Error(hash.error)
  return (await deriveKey(secret, hash.value.salt, hash.value.cost)).equals(hash.value.key)
}

describe('hopgate client-secret', () => {
  it('makes a secret of 256 random bits and its hash, another each time', async () => {
    const [one, other] = await Promise.all([run([]), run([])])
    const [, secret = '', hash = ''] =
      /^secret: ([A-Za-z0-9_-]{43})\nsecret_hash: (\S+)\n$/.exec(one.out) ?? []
    expect(await isHashOf(hash, secret)).toBe(true)
    expect(one).toMatchObject({ code: 0, err: '' })
    expect(other.out).not.toContain(secret)
  })

  it('hashes a secret from standard input, without its line end, and does not repeat it', async () => {
    const { code, out, err } = await run(['--stdin'], 'correct horse battery\n')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).not.toContain('horse')
    expect(await isHashOf(out.trim(), 'correct horse battery')).toBe(true)
  })

  it.each(['', 'short', 'x'.repeat(513), 'two lines of text\nand more', 'söme sécret lïne here'])(
    'refuses %j and says nothing of it',
    async input => {
      const answer = await run(['--stdin'], input)
      const err = 'hopgate: a secret is one line of 16 to 512 characters of visible ASCII\n'
      expect(answer).toEqual({ code: 1, out: '', err })
    },
  )

  it('does not take a secret as an argument, where the list of processes would show it', async () => {
    expect(await run(['correct-horse-battery'])).toEqual({
      code: 2,
      out: '',
      err: 'Usage: hopgate client-secret [--stdin]\n',
    })
  })
})
