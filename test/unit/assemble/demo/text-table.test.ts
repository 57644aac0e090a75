import { expect, it } from 'vitest'
import { formatTable } from '../../../../src/assemble/demo/text-table.ts'

it('aligns columns, numbers to the right, and ends no line with spaces', () => {
  expect(
    formatTable([
      ['service', 'lives', 'source'],
      ['storefront', '120 s', 'issued'],
      ['x', '9 s', 'memory'],
    ]),
  ).toEqual(['service     lives  source', 'storefront  120 s  issued', 'x             9 s  memory'])
})

it('puts a column that holds a word among its numbers to the left', () => {
  expect(formatTable([['status'], ['401'], ['none']])).toEqual(['status', '401', 'none'])
})

it('takes rows of different length, and none', () => {
  expect(formatTable([['a', 'b'], ['c']])).toEqual(['a  b', 'c'])
  expect(formatTable([])).toEqual([])
})
