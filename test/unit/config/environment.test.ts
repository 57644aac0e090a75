import { describe, expect, it } from 'vitest'
import { substitute, withoutValues } from '../../../src/config/environment.ts'
import { goodSidecar, readSidecar, sidecarProblems } from '../../support/config-text.ts'

describe('substitute', () => {
  const env = { A: 'one', EMPTY: '', BRACES: `\${A}` }

  it.each([
    ['plain', 'plain'],
    [`\${A}`, 'one'],
    [`x\${A}y\${A}`, 'xoneyone'],
    [`\${NONE:-two}`, 'two'],
    [`\${NONE:-}`, ''],
    [`\${EMPTY:-two}`, 'two'],
    [`\${A:-two}`, 'one'],
    [`$\${A}`, `\${A}`],
    [`\${BRACES}`, `\${A}`],
    ['$A $ {A}', '$A $ {A}'],
  ])('turns %s into %s', (written, text) => {
    expect(substitute(written, env)).toMatchObject({ text, failures: [] })
  })

  it.each([
    [`x\${NONE}`, 1, `\${NONE}, which is not set`],
    [`\${EMPTY}`, 0, `\${EMPTY}, which is empty`],
    [`a \${`, 2, `a \${ that is not a reference`],
    [`\${}`, 0, `a \${ that is not a reference`],
    [`\${1A}`, 0, `a \${ that is not a reference`],
    [`\${A-b}`, 0, `a \${ that is not a reference`],
    [`\${A`, 0, `a \${ that is not a reference`],
    [`\${toString}`, 0, `\${toString}, which is not set`],
    [`\${__proto__}`, 0, `\${__proto__}, which is not set`],
  ])('finds what is wrong with %s', (written, offset, found) => {
    expect(substitute(written, env).failures).toMatchObject([{ offset, found }])
  })

  it('names the variables whose values are in the text', () => {
    expect(substitute(`\${A}\${NONE:-x}$\${A}`, env).variables).toEqual(['A'])
  })
})

describe('withoutValues', () => {
  it('shows what a reader of the file sees', () => {
    expect(withoutValues(`a\${A}b\${B:-two}$\${C}`, '?')).toBe(`a?btwo\${C}`)
  })
})

describe('references in a configuration', () => {
  it('may be any part of any value, also of a number or a flag', () => {
    const text = `${goodSidecar}  - { path: "/\${P}/**", audience: "\${A:-x}", websocket: "\${FLAG}" }
limits: { connections: "\${COUNT}", headers: "\${SIZE:-8}KiB" }
`
    const config = readSidecar(text, { P: 'a', FLAG: 'true', COUNT: '12' })
    expect(config.routes[1]).toMatchObject({ match: { path: '/a/**' }, audience: 'x', websocket: true })
    expect(config.limits).toMatchObject({ connections: 12, headerBytes: 8192 })
  })

  it('give text and nothing but text', () => {
    expect(sidecarProblems(goodSidecar.replace('[orders]', `["\${X}"]`), { X: 'a, b' })).toEqual([
      `c.yaml:5:16: issuers[0].audience[0]: found the value of \${X}; expected an audience: visible ASCII without blanks`,
    ])
    expect(readSidecar(goodSidecar.replace('service: orders', `service: \${X}`), { X: '0123' }).service).toBe(
      '0123',
    )
  })

  it('are not replaced in keys', () => {
    expect(sidecarProblems(`${goodSidecar}"\${X}": {}\n`, { X: 'limits' })[0]).toMatch(
      /^c\.yaml:8:1: \["\$\{X\}"\]: found an unknown key/,
    )
  })

  it('that cannot be resolved are reported where they stand, once', () => {
    const text = `${goodSidecar}  - path: /a/\${NONE}
    audience: "x\${ALSO_NONE}"
cache: { redis: "redis://:\${PASSWORD}@redis" }
`
    const expected = (name: string) => `a value in the environment, or \${${name}:-default}`
    expect(sidecarProblems(text)).toEqual([
      `c.yaml:8:14: routes[1].path: found \${NONE}, which is not set; expected ${expected('NONE')}`,
      `c.yaml:9:17: routes[1].audience: found \${ALSO_NONE}, which is not set; expected ${expected('ALSO_NONE')}`,
      `c.yaml:10:27: cache.redis: found \${PASSWORD}, which is not set; expected ${expected('PASSWORD')}`,
    ])
  })

  it('that cannot be resolved are the only problem at their place', () => {
    expect(sidecarProblems(goodSidecar.replace('service: orders', `service: \${NONE}`))).toEqual([
      `c.yaml:1:10: service: found \${NONE}, which is not set; expected a value in the environment, or \${NONE:-default}`,
    ])
  })

  it('are not quoted by way of the compiler of expressions', () => {
    const text = `${goodSidecar}  - { path: /x, audience: a, allow: "\${X}" }\n`
    expect(sidecarProblems(text, { X: 'hunter2' })).toEqual([
      'c.yaml:8:37: routes[1].allow: found an expression that does not compile; expected a CEL condition',
    ])
  })

  it('are named in a message instead of what they hold', () => {
    const env = { X: 'hunter2 is secret' }
    const fields = [
      `listen: \${X}`,
      `admin: \${X}`,
      `audit: { when_full: "\${X}" }`,
      `audit: { queue: "\${X}" }`,
      `limits: { body: "\${X}" }`,
      `exchange: { timeout: "\${X}" }`,
      `exchange: { server: "\${X}", client: { key: k } }`,
      `forwarded: { trusted_proxies: ["\${X}"] }`,
      `cache: { redis: "\${X}", prefix: "\${X}" }`,
      `sts: { issuer: "\${X}" }`,
      `  - { path: "\${X}", audience: a }`,
      `  - { path: "/\${X}", audience: a }`,
      `  - { path: /x, audience: a, allow: "\${X}" }`,
      `  - { path: /x, audience: a, methods: ["\${X}"] }`,
      `  - { path: /x, audience: a, scope: "\${X}\\n" }`,
      `  - { path: /x, audience: a, requested_token_type: "\${X}" }`,
    ]
    for (const field of fields) {
      const problems = sidecarProblems(`${goodSidecar}${field}\n`, env)
      expect(problems, field).not.toEqual([])
      expect(problems.join('\n'), field).not.toContain('hunter2')
    }
  })
})
