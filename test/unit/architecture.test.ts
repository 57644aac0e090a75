import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { projectRoot, readSourceFiles, type SourceFile } from '../support/source-files.ts'

const files = readSourceFiles()

/** Rooms of the house, the more particular first, and which rooms each may import from. docs/architecture.md says why. */
const rooms: readonly { readonly room: string; readonly mayImport: readonly string[] }[] = [
  { room: 'src/base', mayImport: [] },
  { room: 'src/oauth', mayImport: ['src/base'] },
  { room: 'src/model', mayImport: ['src/oauth', 'src/base'] },
  { room: 'src/tokens', mayImport: ['src/model', 'src/oauth', 'src/base', 'src/config/sidecar-config.ts'] },
  { room: 'src/policy', mayImport: ['src/model', 'src/oauth', 'src/base'] },
  {
    room: 'src/config',
    mayImport: ['src/model', 'src/policy', 'src/oauth', 'src/base', 'src/tokens/client-key-set.ts'],
  },
  ...['accept', 'authenticate', 'authorize', 'exchange', 'forward', 'record'].map(stage => ({
    room: `src/hop/${stage}`,
    mayImport: [
      'src/tokens',
      'src/policy',
      'src/model',
      'src/oauth',
      'src/base',
      'src/config/sidecar-config.ts',
    ],
  })),
  { room: 'src/hop', mayImport: ['src/hop/', 'src/model', 'src/oauth', 'src/base'] },
  {
    room: 'src/sts',
    mayImport: [
      'src/tokens',
      'src/policy',
      'src/model',
      'src/oauth',
      'src/base',
      'src/config/sidecar-config.ts',
    ],
  },
  { room: 'src/hub', mayImport: ['src/sts', 'src/oauth', 'src/base', 'src/config/hub-config.ts'] },
  {
    room: 'src/review',
    mayImport: [
      'src/policy',
      'src/model',
      'src/oauth',
      'src/base',
      'src/config/sidecar-config.ts',
      'src/config/hub-config.ts',
      'src/config/policy-suite.ts',
    ],
  },
  { room: 'src/assemble', mayImport: ['src/'] },
  { room: 'src/cli', mayImport: ['src/assemble', 'src/review', 'src/config', 'src/base', 'src/cli'] },
  { room: 'src/main.ts', mayImport: ['src/cli'] },
]

/** One door per library: replacing it is the work of these files. */
const doors: Readonly<Record<string, RegExp>> = {
  jose: /^src\/(tokens|sts)\//,
  undici: /^src\/(hop\/forward\/|base\/http-client\.ts)/,
  'http-proxy-3': /^src\/hop\/forward\/upgrade\.ts/,
  'lru-cache': /^src\/base\/lru-map\.ts/,
  ioredis: /^src\/(hop\/exchange|sts)\/redis-/,
  'prom-client': /^src\/hop\/record\/metrics/,
  yaml: /^src\/config\//,
  zod: /^src\/config\//,
  '@marcbachmann/cel-js': /^src\/policy\/expression\.ts/,
  'oidc-provider': /^src\/assemble\/demo\//,
}

/** The files that may open a Secret: where a token or password leaves the process, is compared, or keys a cache. */
const opensSecrets = new Set(readOpeners())

describe('the architecture', () => {
  it('lets every file import only what its room may', () => {
    const violations = files.flatMap(file => {
      const { room, mayImport } = roomOf(file)
      return file.imports
        .filter(imported => !imported.startsWith(`${room}/`) && imported !== room)
        .filter(
          imported =>
            !mayImport.some(prefix => imported === prefix || imported.startsWith(withSlash(prefix))),
        )
        .map(imported => `${file.path} imports ${imported}`)
    })
    expect(violations).toEqual([])
  })

  it('has no import cycle, types included', () => {
    expect(findCycle(files)).toBeUndefined()
  })

  it.each(Object.entries(doors))('lets %s in by one door', (library, door) => {
    const others = files.filter(file => file.packages.includes(library) && !door.test(file.path))
    expect(others.map(file => file.path)).toEqual([])
  })

  it('uses every dependency, and explains each one', () => {
    const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
    const reasons = readFileSync(join(projectRoot, 'docs/dependencies.md'), 'utf8')
    for (const name of Object.keys(manifest.dependencies)) {
      expect(
        files.some(file => file.packages.includes(name)),
        `${name} is imported`,
      ).toBe(true)
    }
    for (const name of [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)]) {
      if (!name.startsWith('@types/')) expect(reasons, `${name} has a reason`).toContain(name)
    }
  })

  it('has a folder for each stage, in the order in which hop.ts runs them', () => {
    const text = readFileSync(join(projectRoot, 'src/hop/hop.ts'), 'utf8')
    const stages = ['accept', 'authenticate', 'authorize', 'exchange', 'forward', 'record']
    const folders = readdirSync(join(projectRoot, 'src/hop'), { withFileTypes: true })
    expect(folders.filter(entry => entry.isDirectory()).map(entry => entry.name)).toEqual(stages)
    const positions = stages.slice(0, 4).map(stage => text.indexOf(`stages.${stage}(`))
    positions.push(text.lastIndexOf('stages.forward.'), text.lastIndexOf('stages.record.'))
    expect(positions.every(position => position > 0)).toBe(true)
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
  })

  it('opens secrets only where they are meant to be used', () => {
    const openers = files.filter(file => /\.expose\(\)/.test(file.text)).map(file => file.path)
    expect(openers.filter(path => !opensSecrets.has(path))).toEqual([])
    expect([...opensSecrets].filter(path => !openers.includes(path))).toEqual([])
  })

  it('has no barrel files, and names files in kebab-case', () => {
    expect(files.map(file => file.path).filter(path => /\/index\.ts$/.test(path))).toEqual([])
    expect(files.map(file => file.path).filter(path => !/^src(\/[a-z0-9-]+)+\.ts$/.test(path))).toEqual([])
  })

  it('has a test beside every refusal code', () => {
    const source = readFileSync(join(projectRoot, 'src/model/refusal.ts'), 'utf8')
    const table = source.slice(source.indexOf('export const refusals'), source.indexOf('} as const'))
    const codes = [...table.matchAll(/^ {2}'?([a-z_.]+)'?: \{/gm)].map(match => match[1] ?? '')
    const tests = globSync('test/**/*.test.ts', { cwd: projectRoot })
      .filter(path => !path.endsWith('architecture.test.ts'))
      .map(path => readFileSync(join(projectRoot, path), 'utf8'))
      .join('\n')
    expect(codes.length).toBeGreaterThan(20)
    expect(codes.filter(code => !tests.includes(`'${code}'`))).toEqual([])
  })

  it('keeps its documents true', () => {
    const links = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md'], { cwd: projectRoot }).flatMap(path => {
      const text = readFileSync(join(projectRoot, path), 'utf8')
      return [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(match => ({ path, link: match[1] ?? '' }))
    })
    const broken = links.filter(({ path, link }) => !existsSync(join(projectRoot, path, '..', link)))
    expect(broken).toEqual([])
  })
})

function roomOf(file: SourceFile): (typeof rooms)[number] {
  const room = rooms
    .filter(one => file.path === one.room || file.path.startsWith(`${one.room}/`))
    .toSorted((a, b) => b.room.length - a.room.length)[0]
  if (room === undefined) throw new Error(`${file.path} is in no room`)
  return room
}

function withSlash(prefix: string): string {
  return prefix.endsWith('/') || prefix.endsWith('.ts') ? prefix : `${prefix}/`
}

function findCycle(all: readonly SourceFile[]): string[] | undefined {
  const importsOf = new Map(all.map(file => [file.path, file.imports]))
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return undefined
    for (const imported of importsOf.get(path) ?? []) {
      const cycle = visit(imported, [...trail, path])
      if (cycle !== undefined) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const file of all) {
    const cycle = visit(file.path, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

function readOpeners(): string[] {
  return [
    'src/base/redis-options.ts',
    'src/hop/authorize/remote/decision-point.ts',
    'src/hop/forward/outgoing-headers.ts',
    'src/hop/exchange/cache-key.ts',
    'src/hop/exchange/contract.ts',
    'src/hop/exchange/machine-seal.ts',
    'src/hop/exchange/exchangers/token-exchange.ts',
    'src/hop/exchange/seal.ts',
    'src/sts/client-secrets.ts',
    'src/sts/ticket-seal.ts',
    'src/sts/token-response.ts',
    'src/tokens/client-secret.ts',
    'src/tokens/jwt-access-token.ts',
    'src/tokens/workload-token-file.ts',
    'src/assemble/explain/explain.ts',
    'src/assemble/explain/explain-token.ts',
    'src/assemble/demo/demo-folder.ts',
    'src/assemble/demo/plain-http.ts',
    'src/assemble/demo/read-claims.ts',
  ]
}
