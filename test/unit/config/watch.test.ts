import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { referencedFiles } from '../../../src/config/referenced-files.ts'
import { type ConfigWatcher, watchConfig } from '../../../src/config/watch.ts'

const open: ConfigWatcher[] = []

afterEach(() => {
  for (const watcher of open.splice(0)) watcher.close()
})

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'hopgate-watch-'))
}

function watching(file: string, env = {}, settleMs = 10) {
  const onChange = vi.fn()
  const watcher = watchConfig(file, onChange, { env, intervalMs: 20, settleMs })
  open.push(watcher)
  return {
    watcher,
    /** Resolves when exactly this many changes were told, and no more come. */
    async told(times: number) {
      await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(times), { timeout: 5000 })
      await pause()
      expect(onChange).toHaveBeenCalledTimes(times)
    },
  }
}

const pause = () => new Promise(resolve => setTimeout(resolve, 80))

describe('watchConfig', () => {
  it('notices an edit, once', async () => {
    const file = join(newFolder(), 'c.yaml')
    writeFileSync(file, 'a: 1')
    const { told } = watching(file)
    await told(0)
    writeFileSync(file, 'a: 2')
    await told(1)
    writeFileSync(file, 'a: 3')
    await told(2)
  })

  it('notices a file that is renamed over it', async () => {
    const folder = newFolder()
    const file = join(folder, 'c.yaml')
    writeFileSync(file, 'a: 1')
    const { told } = watching(file)
    writeFileSync(join(folder, 'new'), 'a: 2')
    renameSync(join(folder, 'new'), file)
    await told(1)
  })

  it('notices the swap of a symlink, as a mounted ConfigMap does it', async () => {
    const folder = newFolder()
    for (const version of ['v1', 'v2']) {
      mkdirSync(join(folder, version))
      writeFileSync(join(folder, version, 'c.yaml'), `a: ${version}`)
    }
    symlinkSync('v1', join(folder, '..data'))
    symlinkSync('..data/c.yaml', join(folder, 'c.yaml'))
    const { told } = watching(join(folder, 'c.yaml'))
    symlinkSync('v2', join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    rmSync(join(folder, 'v1'), { recursive: true })
    await told(1)
  })

  it('notices that a secret or a key set that the configuration names became another', async () => {
    const folder = newFolder()
    const file = join(folder, 'c.yaml')
    const secrets = newFolder()
    writeFileSync(join(secrets, 'redis'), 'redis://a')
    writeFileSync(file, `cache: { redis: { file: "\${DIR}/redis" } }`)
    const { told } = watching(file, { DIR: secrets })
    writeFileSync(join(secrets, 'redis'), 'redis://b')
    await told(1)
  })

  it('does not tell of a change that is taken back while it settles', async () => {
    const [folder, secrets] = [newFolder(), newFolder()]
    const file = join(folder, 'c.yaml')
    writeFileSync(join(secrets, 'redis'), 'redis://a')
    writeFileSync(file, `cache: { redis: { file: "\${DIR}/redis" } }`)
    const { told } = watching(file, { DIR: secrets }, 1000)
    writeFileSync(join(secrets, 'redis'), 'redis://b')
    await pause()
    writeFileSync(join(secrets, 'redis'), 'redis://a')
    await new Promise(resolve => setTimeout(resolve, 1200))
    await told(0)
  })

  it('does not mind that a file is written again with the same content', async () => {
    const file = join(newFolder(), 'c.yaml')
    writeFileSync(file, 'a: 1')
    const { told } = watching(file)
    writeFileSync(file, 'a: 1')
    await told(0)
  })

  it('notices that the file goes and that it comes back', async () => {
    const file = join(newFolder(), 'c.yaml')
    writeFileSync(file, 'a: 1')
    const { told } = watching(file)
    rmSync(file)
    await told(1)
    writeFileSync(file, 'a: 1')
    await told(2)
  })

  it('waits for a file, and a folder, that are not there yet', async () => {
    const folder = join(newFolder(), 'later')
    const { told } = watching(join(folder, 'c.yaml'))
    mkdirSync(folder)
    writeFileSync(join(folder, 'c.yaml'), 'a: 1')
    await told(1)
  })

  it('is silent once it is closed', async () => {
    const file = join(newFolder(), 'c.yaml')
    writeFileSync(file, 'a: 1')
    const { watcher, told } = watching(file)
    watcher.close()
    writeFileSync(file, 'a: 2')
    await pause()
    await told(0)
  })
})

describe('referencedFiles', () => {
  it('names what is taken in, and not what is written or read elsewhere', () => {
    const text = `
cache: { redis: { file: a } }
exchange: { client: { secret: { file: /b }, key: no } }
issuers: [{ keys: { file: no } }]
audit: { file: no }
sts: { keys: no, clients: [{ secret: { file: c } }, { jwks: { file: a } }, { jwks: { file: 5 } }, { secret: x }] }
`
    expect(referencedFiles(text, '/etc/hopgate/c.yaml', {})).toEqual([
      '/etc/hopgate/a',
      '/b',
      '/etc/hopgate/c',
    ])
  })

  it('names each secret of a list, and key sets wherever they are', () => {
    const text = `
sts:
  clients:
    - { secret: [ { file: /a }, x, { file: /b } ] }
    - { self_signed_tls_client_auth: { jwks: { file: /c } } }
    - { kubernetes: {} }
  clusters: [ { keys: { file: /no }, ca: /no } ]
`
    expect(referencedFiles(text, 'c.yaml', {})).toEqual(['/a', '/b', '/c'])
  })

  it('finds none in what is not YAML', () => {
    expect(referencedFiles('a: [', 'c.yaml', {})).toEqual([])
  })
})
