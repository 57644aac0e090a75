import { expect, it } from 'vitest'
import { maxHeaderListBytes, responseFields } from '../../../../../src/hop/forward/http2/response-fields.ts'

it('keeps order and repetition, and leaves pseudo-header fields out', () => {
  const raw = [':status', '200', 'set-cookie', 'a', 'x-name', '', 'set-cookie', 'b']
  expect(responseFields(raw)).toEqual(['set-cookie', 'a', 'x-name', '', 'set-cookie', 'b'])
  expect(responseFields([':status', '204'])).toEqual([])
  expect(responseFields(['x-sum', '1'])).toEqual(['x-sum', '1'])
})

it('counts as RFC 9113 §6.5.2 does, and takes no more than it says', () => {
  const field = 'x'.repeat(1_024 - 32 - 1)
  const raw = Array.from({ length: maxHeaderListBytes / 1_024 }, () => ['a', field]).flat()
  expect(responseFields(raw)).toHaveLength(raw.length)
  expect(responseFields([...raw, 'a', ''])).toBeUndefined()
})
