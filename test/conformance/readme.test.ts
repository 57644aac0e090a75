import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const folder = new URL('./', import.meta.url)
const rows = [
  ...readFileSync(new URL('README.md', folder), 'utf8').matchAll(/^\| (.+) \| (.+) \| (.+) \|$/gm),
]
  .map(([, standard = '', sections = '', file = '']) => ({ standard, sections, file }))
  .filter(({ file }) => file !== 'file')

describe('the table of standards', () => {
  it('has a row for every file of this folder, and no row for another', () => {
    const files = readdirSync(folder).filter(name => name.endsWith('.test.ts') && name !== 'readme.test.ts')
    expect([...new Set(rows.map(({ file }) => file))].sort()).toEqual(files.sort())
  })

  it.each(rows.filter(({ file }) => /^rfc(6750|9068|9110|9470)/.test(file)))(
    'names the sections of $file that its tests begin with, all of them',
    ({ sections, file }) => {
      const titles = readFileSync(new URL(file, folder), 'utf8').matchAll(/^\s*['"`]§.+|\bit.*\('§.+/gm)
      const tested = [...titles].flatMap(([title]) => /§[\d.]*\d/.exec(title)?.[0] ?? [])
      expect([...new Set(tested)].sort()).toEqual(spread(sections).sort())
    },
  )
})

/** `§1, §2.1 to §2.3` as a list of sections. */
function spread(sections: string): string[] {
  return sections.split(', ').flatMap(part => {
    const [, parent = '', first = '', last = ''] = /^(§.*\.)(\d+) to \1(\d+)$/.exec(part) ?? []
    if (parent === '') return [part]
    return Array.from(
      { length: Number(last) - Number(first) + 1 },
      (_, index) => `${parent}${Number(first) + index}`,
    )
  })
}
