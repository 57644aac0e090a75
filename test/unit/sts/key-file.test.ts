import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  lstat,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fail, ok } from '../../../src/base/result.ts'
import { changeKeyFile, isOpenToOthers, loadSigningKeys } from '../../../src/sts/key-file.ts'
import { generateSigningKey, parseSigningKeys } from '../../../src/sts/signing-keys.ts'

let directory = ''
let file = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hopgate-keys-'))
  file = join(directory, 'keys.json')
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('the key file', () => {
  it('is made on first start, readable by its owner alone', async () => {
    loadSigningKeys(file)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['keys.json'])
  })

  it('gives the same keys on every start', () => {
    const first = loadSigningKeys(file)
    expect(loadSigningKeys(file)[0].publicJwk).toEqual(first[0].publicJwk)
    expect(loadSigningKeys(file)[0].privateKey.equals(first[0].privateKey)).toBe(true)
  })

  it.each([0o640, 0o604, 0o660, 0o601])('is refused with mode %o', async mode => {
    loadSigningKeys(file)
    await chmod(file, mode)
    expect(() => loadSigningKeys(file)).toThrow(/others may read or write it/)
  })

  it('may be read by the group when it belongs to somebody else, as a mounted Secret does, and no more', () => {
    const own = 65532
    expect(isOpenToOthers({ mode: 0o100440, uid: 0 }, own)).toBe(false)
    expect(isOpenToOthers({ mode: 0o100440, uid: own }, own)).toBe(true)
    for (const mode of [0o100460, 0o100450, 0o100444, 0o100442, 0o100441]) {
      expect(isOpenToOthers({ mode, uid: 0 }, own)).toBe(true)
    }
  })

  it('is judged by the file that a link leads to', async () => {
    loadSigningKeys(file)
    const link = join(directory, 'link')
    await symlink(file, link)
    expect(loadSigningKeys(link)).toHaveLength(1)
    await chmod(file, 0o644)
    expect(() => loadSigningKeys(link)).toThrow(/others may read/)
  })

  it.each(['', '{"keys":[]}', 'not json'])('is refused and left alone when it holds %j', async text => {
    await writeFile(file, text, { mode: 0o600 })
    expect(() => loadSigningKeys(file)).toThrow(/not usable as signing keys/)
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  it('is refused when it is a directory, too large, or cannot be made', async () => {
    expect(() => loadSigningKeys(directory)).toThrow(/not a file|EISDIR/)
    expect(() => loadSigningKeys(join(directory, 'none', 'keys.json'))).toThrow(/cannot be made \(ENOENT\)/)
    await writeFile(file, ' '.repeat(65 * 1024), { mode: 0o600 })
    expect(() => loadSigningKeys(file)).toThrow(/too large/)
  })

  it('is one and the same for processes that start at once', async () => {
    const script = join(directory, 'load.mjs')
    const module = new URL('../../../src/sts/key-file.ts', import.meta.url).href
    await writeFile(
      script,
      `import { isOpenToOthers, loadSigningKeys } from ${JSON.stringify(module)}
       process.on('message', () => {
         process.send(loadSigningKeys(${JSON.stringify(file)})[0].publicJwk.kid)
         process.disconnect()
       })
       process.send('ready')`,
    )
    const processes = Array.from({ length: 4 }, () => fork(script))
    await Promise.all(processes.map(child => once(child, 'message')))
    const answers = processes.map(child => once(child, 'message'))
    for (const child of processes) child.send('go')
    const kids = (await Promise.all(answers)).map(([kid]) => kid)
    expect(new Set(kids)).toEqual(new Set([loadSigningKeys(file)[0].publicJwk.kid]))
    expect((await readdir(directory)).sort()).toEqual(['keys.json', 'load.mjs'])
  })
})

describe('a change of the key file', () => {
  const add = () => changeKeyFile(file, keys => ok({ keys: [...keys, generateSigningKey()] }))

  it('replaces it as a whole, with the mode that it had', async () => {
    loadSigningKeys(file)
    await chmod(file, 0o400)
    const before = (await stat(file)).ino
    const reader = await open(file)
    expect(add()).toMatchObject({ ok: true })
    expect((await stat(file)).mode & 0o777).toBe(0o400)
    expect((await stat(file)).ino).not.toBe(before)
    // Whoever was reading reads the keys from before to their end.
    expect(parseSigningKeys(await reader.readFile('utf8'))).toHaveLength(1)
    await reader.close()
    expect(loadSigningKeys(file)).toHaveLength(2)
    expect(await readdir(directory)).toEqual(['keys.json'])
  })

  it('leaves a link a link', async () => {
    loadSigningKeys(file)
    const link = join(directory, 'link')
    await symlink(file, link)
    expect(changeKeyFile(link, keys => ok({ keys: [...keys, generateSigningKey()] }))).toMatchObject({
      ok: true,
    })
    expect((await lstat(link)).isSymbolicLink()).toBe(true)
    expect(loadSigningKeys(file)).toHaveLength(2)
  })

  it('that is refused leaves it alone', async () => {
    loadSigningKeys(file)
    const before = await readFile(file, 'utf8')
    expect(changeKeyFile(file, () => fail('no'))).toEqual({ ok: false, error: 'no' })
    expect(await readFile(file, 'utf8')).toBe(before)
    expect(await readdir(directory)).toEqual(['keys.json'])
  })

  it('waits for nobody: a second writer is told of the first', async () => {
    loadSigningKeys(file)
    const outcome = changeKeyFile(file, keys => {
      expect(add()).toEqual({ ok: false, error: expect.stringContaining('keys.json.lock is there') })
      return ok({ keys: [...keys, generateSigningKey()] })
    })
    expect(outcome.ok).toBe(true)
    expect(loadSigningKeys(file)).toHaveLength(2)
    expect(add()).toMatchObject({ ok: true })
  })

  it('is refused where there is no file, and for a file that is not one of keys', async () => {
    expect(add()).toEqual({ ok: false, error: expect.stringContaining('there is no such file') })
    await writeFile(file, '{}', { mode: 0o600 })
    expect(add).toThrow(/not usable as signing keys/)
    expect(await readdir(directory)).toEqual(['keys.json'])
  })

  it('by many processes at once loses none of them', async () => {
    loadSigningKeys(file)
    const script = join(directory, 'change.mjs')
    const source = (path: string) => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href)
    await writeFile(
      script,
      `import { changeKeyFile } from ${source('sts/key-file.ts')}
       import { generateSigningKey } from ${source('sts/signing-keys.ts')}
       for (let added = 0; added < 15;) {
         const key = generateSigningKey()
         const changed = changeKeyFile(${JSON.stringify(file)}, keys => ({ ok: true, value: { keys: [...keys, key] } }))
         // Another one was at it: again, after a pause that differs from theirs.
         if (changed.ok) added++
         else await new Promise(resume => setTimeout(resume, Math.random() * 5))
       }`,
    )
    const processes = Array.from({ length: 3 }, () => fork(script))
    const exits = await Promise.all(processes.map(child => once(child, 'exit')))
    expect(exits).toEqual([
      [0, null],
      [0, null],
      [0, null],
    ])
    expect(loadSigningKeys(file)).toHaveLength(1 + 3 * 15)
  })
})
