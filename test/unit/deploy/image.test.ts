import { describe, expect, it } from 'vitest'
import { readProjectFile } from './deploy-files.ts'

const lines = readProjectFile('Dockerfile').split('\n')
const instructions = lines.filter(line => /^[A-Z]+ /.test(line))
const valuesOf = (name: string) =>
  instructions.filter(line => line.startsWith(`${name} `)).map(line => line.slice(name.length + 1))

describe('the Dockerfile', () => {
  it('names its base once, by a version at or above the fixed one', () => {
    const [image = ''] = valuesOf('ARG')
    const version = /^NODE_IMAGE=node:(\d+)\.(\d+)\.(\d+)-/.exec(image)?.slice(1).map(Number) ?? []
    const [major = 0, minor = 0, patch = 0] = version
    expect(major).toBe(26)
    expect(minor * 1000 + patch).toBeGreaterThanOrEqual(12_001)
    expect(valuesOf('FROM').every(base => base.startsWith('${'.concat('NODE_IMAGE}')))).toBe(true)
    expect(readProjectFile('deploy/compose/compose.yaml')).toContain(`:-${image.replace('NODE_IMAGE=', '')}}`)
  })

  it('ends as a user that is a number and not root', () => {
    expect(valuesOf('USER')).toEqual([expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/)])
    expect(instructions.findLastIndex(line => line.startsWith('USER '))).toBeGreaterThan(
      instructions.findLastIndex(line => line.startsWith('RUN ')),
    )
  })

  it('needs no shell to start, to be asked for its health, and to stop', () => {
    for (const name of ['ENTRYPOINT', 'CMD'])
      expect(JSON.parse(valuesOf(name).at(-1) ?? '')).toBeInstanceOf(Array)
    const health = lines[lines.findIndex(line => line.startsWith('HEALTHCHECK ')) + 1] ?? ''
    expect(JSON.parse(health.trim().replace(/^CMD /, ''))).toEqual(['node', '/app/dist/main.js', 'health'])
    expect(valuesOf('STOPSIGNAL')).toEqual(['SIGTERM'])
  })

  it('passes on what was built, and nothing that was installed', () => {
    const copied = valuesOf('COPY').slice(valuesOf('COPY').findIndex(copy => copy.includes('/build/dist')))
    expect(copied.length).toBeGreaterThan(3)
    expect(copied.filter(copy => copy.includes('node_modules'))).toEqual([])
  })

  it('installs from the lockfile and runs no install script', () => {
    const installs = lines.filter(line => /\bnpm\b/.test(line) && !/rm -rf|#/.test(line))
    expect(installs.length).toBe(1)
    for (const line of installs) expect(line).toMatch(/npm ci .*--ignore-scripts/)
  })
})

describe('.dockerignore', () => {
  it('keeps everything out that is not listed', () => {
    const rules = readProjectFile('.dockerignore')
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
    expect(rules[0]).toBe('*')
    expect(rules.slice(1).every(rule => rule.startsWith('!'))).toBe(true)
    expect(rules.some(rule => /secret|\.env|deploy|test|\.git/.test(rule))).toBe(false)
  })
})
