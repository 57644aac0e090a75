import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

/** The README's tables say what is tested where. A reviewer must be able to believe them. */

interface Row {
  readonly id: string
  readonly files: readonly string[]
  readonly names: readonly string[]
  readonly status: string
}

const folder = new URL('./', import.meta.url)
const readme = readFileSync(new URL('README.md', folder), 'utf8')

function rowsOf(section: string): Row[] {
  const text = readme.split(/^## /m).find(part => part.startsWith(section)) ?? ''
  return [...text.matchAll(/^\| ([A-G]\d\d) \|(.*)\|$/gm)].map(([, id = '', rest = '']) => {
    const [, files = '', names = '', status = ''] = rest.split('|').map(cell => cell.trim())
    return { id, files: listOf(files), names: listOf(names), status }
  })
}

function listOf(cell: string): string[] {
  return cell === '–' ? [] : cell.split(', ')
}

/** The file without the titles of its groups, which name ids as well. */
function readTestTitles(file: string): string {
  return readFileSync(new URL(file, folder), 'utf8').replace(/^\s*describe\(.*$/gm, '')
}

const numbered = (letter: string, last: number): string[] =>
  Array.from({ length: last }, (_, index) => `${letter}${String(index + 1).padStart(2, '0')}`)

describe.each<[string, readonly string[]]>([
  ['A. JWS structure', numbered('A', 29)],
  ['B. Claims', numbered('B', 15)],
  ['C. Credentials', numbered('C', 14)],
  ['D. Request targets', numbered('D', 15)],
  ['Pattern A.', 'A01 A03 A04 A05 A06 A07 A09 A10 A11 A12 A13'.split(' ')],
  ['Pattern B.', 'B01 B03 B04 B05 B06 B07 B10 B11 B12 B13 B14 B15'.split(' ')],
  ['Pattern C.', 'C01 C02 C03 C04 C05 C07 C08 C09 C10 C12 C13 C14 C16 C17 C18 C20 C21'.split(' ')],
  ['Pattern D.', 'D01 D02 D03 D04 D05 D06 D09 D10'.split(' ')],
  ['E. Message framing', numbered('E', 19)],
  ['Pattern E.', 'E01 E02 E04 E05 E06 E07 E09 E11 E13 E14 E15 E16'.split(' ')],
  ['Pattern F.', 'F01 F04 F05 F06 F07 F08 F11 F12 F14 F15'.split(' ')],
  ['Pattern G.', 'G01 G02 G05'.split(' ')],
])('the table of %s', (section, ids) => {
  it('has every attack once', () => {
    expect(rowsOf(section).map(({ id }) => id)).toEqual(ids)
  })

  it('names files in which a test bears each name, or the reason why there is none', () => {
    for (const { id, files, names, status } of rowsOf(section)) {
      if (files.length === 0) {
        expect(status, id).toMatch(/^later version: ./)
        continue
      }
      expect(status, id).toMatch(/^covered/)
      expect(names.length, id).toBeGreaterThan(0)
      const titles = files.map(readTestTitles).join()
      for (const name of names) {
        const isTested = ["'", '"', '`'].some(quote => titles.includes(`${quote}${name} `))
        expect(isTested, `${id}: no test ${name} in ${files.join(', ')}`).toBe(true)
      }
    }
  })
})
