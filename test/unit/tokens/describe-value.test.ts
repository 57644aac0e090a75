import { describe, expect, it } from 'vitest'
import { describeValue } from '../../../src/tokens/describe-value.ts'
import { createTestIssuer } from '../../support/tokens.ts'

describe('describeValue', () => {
  it.each([
    ['plain', '"plain"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['a\r\nX: 1', '"a\\r\\nX: 1"'],
    ['\u001b[2J', '"\\u001b[2J"'],
    ['\u202eabc\u2028', '"\\u202eabc\\u2028"'],
    ['é😀\u007f', '"\\u00e9\\ud83d\\ude00\\u007f"'],
    [undefined, 'absent'],
    [null, 'null'],
    [1, '1'],
    [true, 'true'],
    [['x'], 'an array'],
    [{ toString: () => 'x' }, 'an object'],
  ])('escapes %j', (value, text) => {
    expect(describeValue(value)).toBe(text)
  })

  it('cuts a long value to 64 characters', () => {
    expect(describeValue('a b'.repeat(100))).toBe(`"${'a b'.repeat(100).slice(0, 64)}..."`)
  })

  it('withholds what could be a token', async () => {
    const issuer = await createTestIssuer()
    const token = await issuer.sign()
    expect(describeValue(token)).toBe('[withheld]')
    expect(describeValue(`x ${token}`)).toBe('[withheld]')
    expect(describeValue(token.split('.')[2])).toBe('[withheld]')
  })
})
