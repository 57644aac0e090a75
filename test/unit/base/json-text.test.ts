import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asciiJson } from '../../../src/base/json-text.ts'

/** Any UTF-16 code units, so lone surrogates and controls too. */
const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map(unit => String.fromCharCode(unit)) })

describe('asciiJson', () => {
  it('reads back as the same value, for any value', () => {
    fc.assert(
      fc.property(fc.object(), value => {
        expect(JSON.parse(asciiJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('reads back as the same string, lone surrogates included', () => {
    fc.assert(
      fc.property(text, string => {
        expect(JSON.parse(asciiJson(string))).toBe(string)
      }),
    )
    expect(JSON.parse(asciiJson('\ud800'))).toBe('\ud800')
  })

  it('holds printable ASCII only, whatever goes in', () => {
    fc.assert(
      fc.property(text, string => {
        expect(asciiJson(string)).toMatch(/^[\x20-\x7e]*$/)
      }),
    )
  })

  it.each([
    ['a line separator', '\u2028'],
    ['a paragraph separator', '\u2029'],
    ['ESC', '\x1b'],
    ['DEL', '\x7f'],
    ['the C1 control that starts an escape sequence', '\x9b'],
    ['a right-to-left override', '\u202e'],
    ['a byte order mark', '\ufeff'],
    ['the start of a tag', '<'],
  ])('escapes %s', (_name, character) => {
    expect(asciiJson(`a${character}b`)).toBe(
      `"a\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}b"`,
    )
  })
})
