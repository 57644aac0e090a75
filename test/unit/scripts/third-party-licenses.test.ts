import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeLicenses } from '../../../scripts/third-party-licenses.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

/** Writes a package and answers the paths of two modules of it. */
function writePackage(root: string, name: string, files: Readonly<Record<string, string>>): string[] {
  const folder = join(root, 'node_modules', name)
  mkdirSync(folder, { recursive: true })
  const manifest = { name, version: '1.2.3', license: 'MIT' }
  for (const [file, text] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files })) {
    writeFileSync(join(folder, file), text)
  }
  return [join(folder, 'index.js'), join(folder, 'lib/other.js')]
}

describe('licences of packages', () => {
  it('are passed on in full, once for each package, in the order of names', () => {
    const root = createTempFolder()
    const b = writePackage(root, 'b', { LICENSE: 'Copyright B\n', NOTICE: 'Notice of B\n' })
    const a = writePackage(root, '@scope/a', { 'license.md': 'Copyright A\n' })
    const own = join(root, 'src/main.ts')
    expect(describeLicenses([own, ...b, ...a, ...b])).toBe(
      `Hopgate contains these packages.

${'='.repeat(80)}
@scope/a 1.2.3 (MIT)

Copyright A

${'='.repeat(80)}
b 1.2.3 (MIT)

Copyright B

Notice of B
`,
    )
  })

  it('stop the build when there is none', () => {
    const modules = writePackage(createTempFolder(), 'c', { 'README.md': 'no terms' })
    expect(() => describeLicenses(modules)).toThrow('c has no licence text')
  })
})
