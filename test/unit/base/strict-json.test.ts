import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxJsonDepth, parseStrictJson, parseStrictJsonObject } from '../../../src/base/strict-json.ts'

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads when names are unique', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), value => {
        const text = JSON.stringify(value)
        if (!text.isWellFormed() || /\\ud[89a-f]/i.test(text)) return
        expect(JSON.stringify(parseStrictJson(text))).toBe(text)
      }),
    )
  })

  it.each([
    ['plain', '{"sub":"a","sub":"admin"}'],
    ['with the same value', '{"sub":"a","sub":"a"}'],
    ['spelt with an escape', '{"sub":"a","\\u0073ub":"admin"}'],
    ['in a nested object', '{"act":{"sub":"a","sub":"b"}}'],
    ['in an array', '[{"a":1,"a":2}]'],
    ['__proto__', '{"__proto__":1,"__proto__":2}'],
    ['empty', '{"":1,"":2}'],
    ['that ends in a backslash', '{"a\\\\":1,"a\\\\":2}'],
    ['that holds a quote and a colon', '{"a\\":":1,"a\\":":2}'],
  ])('refuses a member name that repeats: %s', (_, text) => {
    expect(parseStrictJson(text)).toBeUndefined()
  })

  it('does not take a colon, bracket or quote inside a string for structure', () => {
    const value = { 'a:b': 'c:d', '"{[': ['}]"', '\\', '\\"', ':'] }
    expect({ ...parseStrictJsonObject(JSON.stringify(value)) }).toEqual(value)
  })

  it('allows the same name in different objects', () => {
    expect(JSON.stringify(parseStrictJson('{"a":{"a":1},"b":{"a":2}}'))).toBe('{"a":{"a":1},"b":{"a":2}}')
  })

  it('reads nesting up to the limit and refuses one level more', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    expect(parseStrictJson(nested(maxJsonDepth))).toBeDefined()
    expect(parseStrictJson(nested(maxJsonDepth + 1))).toBeUndefined()
    expect(parseStrictJson(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`)).toBeUndefined()
  })

  it('refuses 100,000 nested arrays without a stack overflow', () => {
    expect(parseStrictJson('['.repeat(100_000))).toBeUndefined()
    expect(parseStrictJson('['.repeat(100_000) + ']'.repeat(100_000))).toBeUndefined()
  })

  it.each(['1e400', '-1e400', '{"exp":1e999}', '[1e400]'])(
    'refuses a number that is not finite: %s',
    text => {
      expect(parseStrictJson(text)).toBeUndefined()
    },
  )

  it.each(['"\ud800"', '{"\udfaa":0}', '{"a":["x\udc00"]}'])(
    'refuses a lone surrogate that is no escape, in a text: %j',
    text => {
      expect(parseStrictJson(text)).toBeUndefined()
    },
  )

  it.each(['"\\ud800"', '"\\udc00x"', '{"\\udfaa":0}', '["\\udc00\\ud800"]'])(
    'refuses a lone surrogate: %s',
    text => {
      expect(parseStrictJson(text)).toBeUndefined()
    },
  )

  it('reads a surrogate pair', () => {
    expect(parseStrictJson('"\\ud83d\\ude00"')).toBe('😀')
  })

  it('refuses a byte order mark, in text and in bytes', () => {
    expect(parseStrictJson('\ufeff{}')).toBeUndefined()
    expect(parseStrictJson(Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]))).toBeUndefined()
  })

  it.each([
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [0x7b, 0x00, 0x7d, 0x00]],
  ])('refuses bytes that are not UTF-8: %s', (_, bytes) => {
    expect(parseStrictJson(Buffer.from(bytes))).toBeUndefined()
    expect(parseStrictJson(Buffer.from('"é"'))).toBe('é')
  })

  it.each(['', ' ', '{} {}', '{}x', '{', 'undefined', "{'a':1}", '{"a":1,}', 'NaN', '01', '{"a" 1}'])(
    'refuses what is not one JSON text: %j',
    text => {
      expect(parseStrictJson(text)).toBeUndefined()
    },
  )

  it('makes objects without prototype, so that __proto__ and constructor are data', () => {
    const value = parseStrictJsonObject('{"__proto__":{"admin":true},"x":{}}')
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(value?.admin).toBeUndefined()
    expect(value?.constructor).toBeUndefined()
    expect(Object.getPrototypeOf(value?.x)).toBeNull()
    expect(Object.keys(value ?? {})).toEqual(['__proto__', 'x'])
    expect(({} as Record<string, unknown>).admin).toBeUndefined()
  })

  it('freezes everything that it makes', () => {
    const value = parseStrictJsonObject('{"a":[{"b":1}]}')
    const list = value?.a as readonly object[]
    for (const part of [value, list, list[0]]) expect(Object.isFrozen(part)).toBe(true)
  })
})

describe('parseStrictJsonObject', () => {
  it.each(['[]', '"x"', '1', 'null', 'true'])('refuses a text that is not an object: %s', text => {
    expect(parseStrictJsonObject(text)).toBeUndefined()
    expect(parseStrictJson(text)).toBeDefined()
  })
})
