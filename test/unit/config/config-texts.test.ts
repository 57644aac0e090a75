import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { keepTexts, readKeptTexts } from '../../../src/config/config-texts.ts'
import { loadSidecarConfig } from '../../../src/config/load.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

const yaml = `service: orders
upstream: http://127.0.0.1:3000
issuers: [{ issuer: https://login.test, audience: [orders] }]
exchange: { server: https://hub.test, client: { secret: { file: secrets/client } } }
cache: { redis: { file: secrets/redis } }
routes: [{ path: /orders/**, audience: orders-api, scope: orders:read }]
`

function writeConfig(): string {
  const folder = createTempFolder()
  mkdirSync(join(folder, 'secrets'))
  writeFileSync(join(folder, 'secrets/client'), 'first-secret')
  writeFileSync(join(folder, 'secrets/redis'), 'redis://:pass@127.0.0.1:6379')
  writeFileSync(join(folder, 'c.yaml'), yaml)
  return join(folder, 'c.yaml')
}

describe('a configuration that is read again from kept texts', () => {
  it('is the same, whatever has become of the files', () => {
    const file = writeConfig()
    const { read, texts } = keepTexts()
    const first = loadSidecarConfig(file, {}, read)
    expect(first.ok).toBe(true)
    rmSync(join(file, '..', 'secrets'), { recursive: true })
    writeFileSync(file, 'service: [')
    const again = loadSidecarConfig(relative(process.cwd(), file), {}, readKeptTexts(texts))
    if (!first.ok || !again.ok) throw new Error('it is not good any more')
    expect(again.value.policyDigest).toBe(first.value.policyDigest)
    const secretOf = (config: typeof first.value) =>
      'secret' in config.exchange.client ? config.exchange.client.secret.expose() : undefined
    expect(secretOf(again.value)).toBe('first-secret')
    expect(again.value.cache.redis?.expose()).toBe('redis://:pass@127.0.0.1:6379')
  })

  it('keeps what it was read from and nothing else', () => {
    const file = writeConfig()
    writeFileSync(join(file, '..', 'other'), 'other')
    const { read, texts } = keepTexts()
    loadSidecarConfig(file, {}, read)
    const folder = join(file, '..')
    expect(Object.keys(texts).toSorted()).toEqual([
      file,
      join(folder, 'secrets/client'),
      join(folder, 'secrets/redis'),
    ])
  })

  it('reads no file that was not kept', () => {
    const file = writeConfig()
    const texts = { [file]: yaml }
    const again = loadSidecarConfig(file, {}, readKeptTexts(texts))
    expect(again.ok ? [] : again.error.map(({ path, found }) => [path, found])).toEqual([
      ['exchange.client.secret', 'a file that was not read'],
      ['cache.redis', 'a file that was not read'],
    ])
    expect(readKeptTexts({})('/etc/passwd')).toEqual({ ok: false, error: 'was not read' })
    expect(readKeptTexts({})('constructor').ok).toBe(false)
  })
})
