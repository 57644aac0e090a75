import { describe, expect, it } from 'vitest'
import { formatPath, formatProblems, quoteText } from '../../../src/config/config-problem.ts'
import { editDistance, nearestWord } from '../../../src/config/nearest-word.ts'

describe('formatProblems', () => {
  it('prints one line for each problem, with what is known of its place', () => {
    expect(
      formatProblems([
        { file: 'a.yaml', path: '', found: 'a file that does not exist' },
        { file: 'a.yaml', line: 2, column: 3, path: 'x.y', found: 'z', expected: 'w', suggestion: 'v' },
      ]),
    ).toBe(
      'a.yaml: found a file that does not exist\na.yaml:2:3: x.y: found z; expected w; did you mean "v"?\n',
    )
    expect(formatProblems([])).toBe('')
  })
})

describe('formatPath and quoteText', () => {
  it('write a path as one would in code', () => {
    expect(formatPath(['routes', 2, 'a_b', 'c-d', 'e f', ''])).toBe('routes[2].a_b.c-d["e f"][""]')
    expect(formatPath([])).toBe('')
  })

  it('keep hostile text on its line, short, and without power over a terminal', () => {
    expect(quoteText('a\n\x1b[2J\u202e"')).toBe('"a\\n\\u001b[2J\\u202e\\""')
    expect(quoteText('x'.repeat(100))).toBe(`"${'x'.repeat(80)}…"`)
    expect(formatPath(['a\nb'])).toBe('["a\\nb"]')
  })
})

describe('nearestWord', () => {
  it.each([
    ['audiance', 'audience'],
    ['metods', 'methods'],
    ['GET', 'get'],
    ['jwksUri', 'jwks_uri'],
    ['max-ttl', 'max_ttl'],
    ['isuser', 'issuer'],
    ['tll', 'ttl'],
  ])('takes %s for %s', (word, meant) => {
    const known = ['audience', 'methods', 'get', 'jwks_uri', 'max_ttl', 'issuer', 'ttl']
    expect(nearestWord(word, known)).toBe(meant)
  })

  it('has no idea for what is nothing like any', () => {
    expect(nearestWord('zzz', ['audience', 'ttl'])).toBeUndefined()
    expect(nearestWord('', ['ttl'])).toBeUndefined()
    expect(nearestWord('a'.repeat(10_000), ['audience'])).toBeUndefined()
    expect(nearestWord('x', [])).toBeUndefined()
  })
})

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ])('%s → %s: %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
    expect(editDistance(b, a)).toBe(distance)
  })
})
