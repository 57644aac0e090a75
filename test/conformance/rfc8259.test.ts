import { describe, expect, it } from 'vitest'
import { parseStrictJson } from '../../src/base/strict-json.ts'
import { describeVectors } from '../support/vectors.ts'

interface JsonCase {
  readonly name: string
  readonly expect: 'accept' | 'reject' | 'either'
  readonly bytes: number
  /** null for two cases that are too long to store. */
  readonly b64: string | null
}

/** Valid JSON whose member names repeat; RFC 8259 §4 says SHOULD, Hopgate says must not. */
const repeatedNames = new Set(['y_object_duplicated_key.json', 'y_object_duplicated_key_and_value.json'])

/** Left to the reader by the suite, and settled by Hopgate: what two readers could understand differently is refused. */
const refusedChoices =
  /surrogate|utf-?16|BOM|invalid_utf|overlong|UTF-8_invalid|truncated|iso_latin|not_in_unicode|nested_arrays|_int_huge_exp|number_huge_exp|double_huge_exp|real_(neg|pos)_overflow/i

describe('RFC 8259: the strict reader against JSONTestSuite', () => {
  describeVectors<readonly JsonCase[]>('json-test-suite/cases.json', cases => {
    for (const entry of cases) {
      const bytes = readBytes(entry)
      if (entry.expect === 'either') {
        it(`${entry.name}: never throws, and refuses what is ambiguous`, () => {
          const value = parseStrictJson(bytes)
          if (refusedChoices.test(entry.name)) expect(value).toBeUndefined()
        })
      } else if (entry.expect === 'reject' || repeatedNames.has(entry.name)) {
        it(`${entry.name}: refused`, () => {
          expect(parseStrictJson(bytes)).toBeUndefined()
        })
      } else {
        it(`${entry.name}: read as JSON.parse reads it`, () => {
          const expected: unknown = JSON.parse(bytes.toString('utf8'))
          expect(JSON.stringify(parseStrictJson(bytes))).toBe(JSON.stringify(expected))
        })
      }
    }
  })
})

function readBytes(entry: JsonCase): Buffer {
  if (entry.b64 !== null) return Buffer.from(entry.b64, 'base64')
  if (entry.name === 'n_structure_100000_opening_arrays.json') return Buffer.from('['.repeat(100_000))
  return Buffer.from('[{"":'.repeat(50_000))
}
