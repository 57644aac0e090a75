import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../../src/config/config-problem.ts'
import { loadHubConfig, loadSidecarConfig } from '../../../src/config/load.ts'
import { goodSidecar } from '../../support/config-text.ts'
import { projectRoot } from '../../support/source-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'hopgate-load-'))

function problemsOf(file: string): string {
  const loaded = loadSidecarConfig(file, {})
  return loaded.ok ? '' : formatProblems(loaded.error)
}

describe('loading a file', () => {
  it('reads what is good', () => {
    const file = join(folder, 'good.yaml')
    writeFileSync(file, goodSidecar)
    expect(loadSidecarConfig(file, {})).toMatchObject({ ok: true, value: { service: 'orders' } })
  })

  it('says what is wrong with the file itself', () => {
    const missing = join(folder, 'missing.yaml')
    expect(problemsOf(missing)).toBe(
      `${missing}: found a file that does not exist; expected a readable YAML file\n`,
    )
    expect(problemsOf(folder)).toBe(
      `${folder}: found a file that is not a regular file; expected a readable YAML file\n`,
    )
    const latin1 = join(folder, 'latin1.yaml')
    writeFileSync(latin1, Buffer.from([0x73, 0xe9]))
    expect(problemsOf(latin1)).toBe(
      `${latin1}: found a file that is not UTF-8 text; expected a readable YAML file\n`,
    )
    expect(problemsOf('a\0b')).toContain('found a file that cannot be read')
  })

  it('looks into the environment of the process unless told otherwise', () => {
    const file = join(folder, 'env.yaml')
    writeFileSync(file, goodSidecar.replace('service: orders', `service: \${HOPGATE_LOAD_TEST:-none}`))
    process.env['HOPGATE_LOAD_TEST'] = 'from-env'
    try {
      expect(loadSidecarConfig(file)).toMatchObject({ value: { service: 'from-env' } })
      expect(loadSidecarConfig(file, {})).toMatchObject({ value: { service: 'none' } })
    } finally {
      delete process.env['HOPGATE_LOAD_TEST']
    }
  })
})

describe('the configurations that come with the project', () => {
  const config = (name: string) => join(projectRoot, 'config', name)

  it('are good', () => {
    for (const [name, env] of [
      ['minimal.yaml', {}],
      ['example.yaml', { REDIS_PASSWORD: 'x' }],
    ] as const) {
      const loaded = loadSidecarConfig(config(name), env)
      expect(loaded.ok ? '' : formatProblems(loaded.error)).toBe('')
    }
    const hub = loadHubConfig(config('hub.yaml'), { REDIS_URL: 'redis://redis', STOREFRONT_SECRET: 'x' })
    expect(hub.ok ? '' : formatProblems(hub.error)).toBe('')
  })

  it('would not be good with one letter wrong', () => {
    expect(loadSidecarConfig(config('hub.yaml'), {}).ok).toBe(false)
    expect(loadSidecarConfig(config('example.yaml'), {}).ok).toBe(false)
  })
})
