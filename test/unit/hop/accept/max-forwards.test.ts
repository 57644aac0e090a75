import { expect, it } from 'vitest'
import { readMaxForwards } from '../../../../src/hop/accept/max-forwards.ts'

it.each([
  [undefined, Infinity],
  ['0', 0],
  ['00', 0],
  ['12', 12],
  ['9'.repeat(400), 2 ** 31 - 1],
  ['', undefined],
  ['-1', undefined],
  ['+1', undefined],
  ['1.5', undefined],
  ['1,2', undefined],
  ['0x1', undefined],
  ['\u0661', undefined],
])('reads %j as %j', (value, expected) => {
  expect(readMaxForwards(value)).toBe(expected)
})
