import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { sourcePosition } from '../../bench/source-position.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

it('finds where code in a bundle was written', () => {
  const folder = createTempFolder()
  const bundle = join(folder, 'bundle.js')
  // Line 1 of the bundle is line 3 of the source, by the mapping of ECMA-426.
  const map = { version: 3, sources: ['src/hop.ts'], names: [], mappings: 'AAEA' }
  writeFileSync(`${bundle}.map`, JSON.stringify(map))
  const at = { url: pathToFileURL(bundle).href, lineNumber: 0, columnNumber: 0 }
  const source = pathToFileURL(join(folder, 'src/hop.ts')).href
  expect(sourcePosition(at)).toEqual({ url: source, lineNumber: 2, columnNumber: 0 })
})

it('leaves everything else where it is', () => {
  const bare = pathToFileURL(join(createTempFolder(), 'bare.js')).href
  for (const url of [bare, 'node:http', '']) {
    const at = { url, lineNumber: 7, columnNumber: 3 }
    expect(sourcePosition(at)).toEqual(at)
  }
})
