import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isOpenToOthers, loadSigningKeys } from '../../../src/sts/key-file.ts'

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
