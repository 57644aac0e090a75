import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../src/config/config-problem.ts'
import { parseSidecarConfig } from '../../src/config/parse-sidecar.ts'
import { projectRoot } from '../support/source-files.ts'

const documents = ['README.md', 'CONTRIBUTING.md'].map(file => readFileSync(join(projectRoot, file), 'utf8'))
const [readme = ''] = documents

const blocks = (language: string): string[] =>
  [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(match => match[1] === language)
    .map(match => match[2] ?? '')

describe('the README', () => {
  it('shows a configuration that passes the check', () => {
    const [yaml = '', ...others] = blocks('yaml')
    expect(others).toEqual([])
    const env = { REDIS_URL: 'redis://127.0.0.1:6379' }
    const parsed = parseSidecarConfig(yaml, { file: 'hopgate.yaml', env })
    expect(parsed.ok ? '' : formatProblems(parsed.error)).toBe('')
    expect(parsed.ok && parsed.value.routes.map(route => route.kind).sort()).toEqual(['protected', 'public'])
  })

  it('sets every variable that the configuration needs before it is checked', () => {
    const [commands = ''] = blocks('sh').filter(block => block.includes('hopgate.yaml'))
    const needed = [
      ...blocks('yaml')
        .join()
        .matchAll(/\$\{(\w+)\}/g),
    ].map(match => match[1])
    expect(needed.length).toBeGreaterThan(0)
    for (const name of needed) expect(commands).toContain(`export ${name}=`)
  })

  it('has people type only what package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
    const typed = documents.join('\n').matchAll(/npm run ([\w:-]+)/g)
    const names = new Set([...typed].map(match => match[1] ?? ''))
    expect(names.size).toBeGreaterThan(5)
    expect([...names].filter(name => !Object.hasOwn(scripts, name))).toEqual([])
  })

  it('does not have npx fetch a package of another owner: what npx is told to run is installed', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
    const typed = [...documents.join('\n').matchAll(/npx (\S+)/g)].map(match => match[1] ?? '')
    expect(typed.filter(name => !Object.hasOwn(devDependencies, name))).toEqual([])
  })
})
