import { describe, expect, it } from 'vitest'
import { goodSidecar, sidecarProblems } from '../../support/config-text.ts'

describe('the YAML itself', () => {
  it.each([
    ['a repeated key', 'service: a\n', 'c.yaml:8:1: found the same key twice; expected every key once'],
    [
      'a nested repeated key',
      'limits: { body: 1KiB, body: 2KiB }\n',
      'c.yaml:8:23: found the same key twice; expected every key once',
    ],
    [
      'an anchor',
      'limits: &x { body: 1KiB }\n',
      'c.yaml:8:12: limits: found an anchor or an alias; expected every value written out',
    ],
    [
      'an alias',
      'limits: *x\n',
      'c.yaml:8:9: limits: found an anchor or an alias; expected every value written out',
    ],
    [
      'a tag',
      'limits: !x { body: 1KiB }\n',
      'c.yaml:8:9: found a tag, or a value that its tag does not fit; expected no tags',
    ],
    [
      'a language tag',
      'limits: !!js/function "x"\n',
      'c.yaml:8:9: found a tag, or a value that its tag does not fit; expected no tags',
    ],
    ['a tab', 'limits:\n\tbody: 1KiB\n', 'c.yaml:9:1: found a tab as indentation; expected spaces'],
    [
      'a second document',
      '---\nlimits: {}\n',
      'c.yaml:8:1: found a second document; expected one document in the file',
    ],
    [
      'an odd indentation',
      'limits:\n    body: 1KiB\n  token: 1KiB\n',
      'c.yaml:10:1: found an indentation that fits no level above',
    ],
    [
      'a missing quote',
      'listen: "0.0.0.0:1\n',
      'c.yaml:9:1: found a missing quote, comma, colon, bracket or blank',
    ],
    [
      'a mapping in a line',
      'listen: a: b\n',
      'c.yaml:8:9: found a mapping inside a value on the same line; expected quotes or a new line',
    ],
    [
      'a reserved character',
      'listen: @x\n',
      'c.yaml:8:9: found a value that begins with a reserved character; expected quotes around it',
    ],
    [
      'an unknown escape',
      'listen: "\\q"\n',
      'c.yaml:8:10: found an unknown \\ escape in double quotes; expected single quotes, or \\\\',
    ],
    ['a key that is a list', '? [a]\n: b\n', 'c.yaml:8:3: found a key that is not plain text'],
    ['text after the end of a flow', 'limits: {} x\n', 'c.yaml:8:12: found text that is not YAML'],
    [
      'a brace inside braces',
      `cache: { redis: \${X} }\n`,
      'c.yaml:8:18: found text that is not YAML; expected quotes around values that hold braces',
    ],
  ])('refuses %s', (_, text, problem) => {
    expect(sidecarProblems(goodSidecar + text)).toContain(problem)
  })

  it('refuses a directive, which could change what the text means', () => {
    expect(sidecarProblems(`%YAML 1.1\n---\n${goodSidecar}`)).toContain('c.yaml:1:1: found a %YAML directive')
  })

  it('reads YAML 1.2: yes, no and 0o17 mean themselves', () => {
    expect(sidecarProblems(goodSidecar.replace('service: orders', 'service: no'))).toEqual([])
    expect(sidecarProblems(`${goodSidecar}exchange: { plaintext: yes }\n`)).toEqual([
      'c.yaml:8:24: exchange.plaintext: found text; expected true or false',
    ])
  })

  it('refuses a billion laughs without expanding them', () => {
    const doubling = (i: number) => `b${i}: &b${i} [*b${i - 1}, *b${i - 1}]`
    const laughs = ['b0: &b0 [x, x]', ...Array.from({ length: 30 }, (_, i) => doubling(i + 1))]
    const problems = sidecarProblems(`${laughs.join('\n')}\n`)
    expect(problems.some(line => line.includes('an anchor or an alias'))).toBe(true)
  })

  it('refuses what is nested too deep for a configuration, or for a parser', () => {
    const nested = (depth: number) => `${goodSidecar}limits: ${'['.repeat(depth)}${']'.repeat(depth)}\n`
    expect(sidecarProblems(nested(40))[1]).toMatch(
      /: found a value nested too deep; expected at most 32 levels$/,
    )
    expect(sidecarProblems(nested(100_000))).toEqual(['c.yaml:1:1: found brackets nested too deep somewhere'])
    expect(sidecarProblems(`${goodSidecar}limits: ${'- '.repeat(10_000)}\n`)).not.toEqual([])
  })

  it('refuses more text than a configuration can be', () => {
    expect(sidecarProblems(`${goodSidecar}#${'x'.repeat(1024 * 1024)}`)).toEqual([
      'c.yaml:1:1: found more text than 1 MiB',
    ])
  })

  it('counts columns after a byte order mark and lines that end in CRLF', () => {
    expect(sidecarProblems(`\u{feff}${goodSidecar}`.replaceAll('\n', '\r\n'))).toEqual([])
    expect(sidecarProblems(`${goodSidecar}chache: {}\n`.replaceAll('\n', '\r\n'))[0]).toMatch(
      /^c\.yaml:8:1: /,
    )
  })

  it('says once where YAML ends, not at every token that follows', () => {
    const problems = sidecarProblems(`${goodSidecar}limits: {} x\nmore: y\nand: z\n`)
    expect(problems.filter(line => line.includes('not YAML'))).toHaveLength(1)
  })

  it('shows no part of the text, which may be a secret', () => {
    const texts = [
      'cache: hunter2: x',
      'cache: "hunter2',
      'cache: {} hunter2',
      '? [hunter2]\n: x',
      'cache: !hunter2 x',
      'cache: *hunter2',
      'cache: &hunter2 x',
    ]
    for (const text of texts) {
      const problems = sidecarProblems(`${goodSidecar}${text}\n`)
      expect(problems).not.toEqual([])
      expect(problems.join('\n')).not.toContain('hunter2')
    }
  })
})
