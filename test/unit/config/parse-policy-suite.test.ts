import { describe, expect, it } from 'vitest'
import type { AskedQuestion, AskedRequest } from '../../../src/config/policy-suite.ts'
import { goodSidecar } from '../../support/config-text.ts'
import { parseTestSuite, suiteProblems } from '../../support/policy-suite.ts'

const policy = `
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read] } }
rules: [{ id: all, who: { client: [orders] }, for: {}, into: [orders-api] }]
`

function suiteOf(cases: string, more = ''): string {
  return `policy: policy.yaml
tokens: { alice: { sub: alice, tenant: blue } }
${more}
cases:
${cases}
`
}

const given = 'given: { client: orders, audience: orders-api, subject: alice }'

describe('the tests of a policy', () => {
  it('fill in what a token does not say, and count its times from now', () => {
    const { cases } = parseTestSuite(
      suiteOf(`
  - name: one
    given:
      client: orders
      audience: orders-api
      subject: { sub: bob, exp: +1m, auth_time: -10m, nbf: 5, aud: [a, b] }
      now: 2026-01-01T00:00:00+01:00
    expect: { decision: permit }
  - { name: two, ${given}, expect: { decision: permit } }`),
      { 'policy.yaml': policy },
    )
    const now = Date.UTC(2025, 11, 31, 23) / 1000
    const [one, two] = cases.map(({ asked }) => asked as AskedQuestion)
    expect(cases[0]?.now).toBe(now)
    expect(one?.subject).toEqual({
      iss: 'https://login.example.com',
      aud: ['a', 'b'],
      iat: now,
      jti: 'given',
      exp: now + 60,
      auth_time: now - 600,
      nbf: 5,
      sub: 'bob',
    })
    expect(two?.subject).toMatchObject({ sub: 'alice', tenant: 'blue', aud: 'orders' })
    expect(cases[1]?.now).toBe(Date.UTC(2026, 0, 7, 12) / 1000)
  })

  it('take from the defaults what a case does not say, but nobody for a machine', () => {
    const { cases } = parseTestSuite(
      suiteOf(
        `
  - { name: one, given: { scope: orders:read }, expect: { decision: permit } }
  - { name: two, given: { mode: machine }, expect: { decision: deny } }`,
        'defaults: { given: { client: orders, audience: orders-api, subject: alice, now: 2026-01-01T00:00:00Z } }',
      ),
      { 'policy.yaml': policy },
    )
    expect(cases.map(({ asked }) => asked)).toMatchObject([
      { client: 'orders', scope: ['orders:read'], subject: { sub: 'alice' } },
      { client: 'orders', mode: 'machine', subject: undefined },
    ])
    expect(cases.map(({ now }) => now)).toEqual([1_767_225_600, 1_767_225_600])
  })

  it('read the configuration of a sidecar, with placeholders for its variables', () => {
    const { cases } = parseTestSuite(
      `
env: { ORDERS_SECRET: placeholder }
cases:
  - name: one
    request:
      config: sidecar.yaml
      method: POST
      url: http://orders/orders/17?x=1
      headers: { X-Tenant: blue }
      token: { sub: alice }
    expect: { decision: permit }
`,
      { 'sidecar.yaml': goodSidecar },
    )
    const asked = cases[0]?.asked as AskedRequest
    expect(asked).toMatchObject({
      file: '/suite/sidecar.yaml',
      method: 'POST',
      headers: ['X-Tenant', 'blue'],
    })
    const [issuer] = asked.config.issuers
    expect(asked.token).toMatchObject({ sub: 'alice', iss: issuer?.issuer, aud: issuer?.audience[0] })
  })

  it.each([
    ['an unknown key', `  - { name: a, ${given}, expects: {} }`, '5:', 'did you mean "expect"?'],
    [
      'an unknown key of what is given',
      '  - { name: a, given: { clent: orders }, expect: { decision: permit } }',
      '5:25: cases[0].given.clent: found an unknown key',
      'did you mean "client"?',
    ],
    [
      'no client',
      '  - { name: a, given: { audience: orders-api, subject: alice }, expect: { decision: permit } }',
      '5:23: cases[0].given: found no client',
      '',
    ],
    [
      'no subject',
      '  - { name: a, given: { audience: orders-api, client: orders }, expect: { decision: permit } }',
      'found no subject',
      '',
    ],
    [
      'a subject of a machine',
      '  - { name: a, given: { mode: machine, audience: orders-api, client: orders, subject: alice }, expect: { decision: permit } }',
      'cases[0].given.subject: found subject beside mode: machine',
      '',
    ],
    [
      'a token that is not there',
      '  - { name: a, given: { audience: orders-api, client: orders, subject: alise }, expect: { decision: permit } }',
      'found "alise", a token that is not there',
      'did you mean "alice"?',
    ],
    [
      'two cases of one name',
      `  - { name: a, ${given}, expect: { decision: deny } }
  - { name: a, ${given}, expect: { decision: deny } }`,
      'cases[1].name: found the same as in entry 0',
      '',
    ],
    [
      'both a question and a request',
      `  - { name: a, ${given}, request: {}, expect: { decision: deny } }`,
      'exactly one of given, request',
      '',
    ],
    [
      'another decision',
      `  - { name: a, ${given}, expect: { decision: allow } }`,
      'found "allow"; expected',
      '',
    ],
    [
      'a time that is none',
      `  - { name: a, given: { now: noon }, expect: { decision: permit } }`,
      'expected a time such as',
      '',
    ],
    ['no case', '  []', 'cases: found', ''],
    [
      'a configuration that is not there',
      '  - { name: a, request: { config: x.yaml, url: http://x/ }, expect: { decision: deny } }',
      'found a file that does not exist; expected a sidecar',
      '',
    ],
  ])('say where there is %s', (_, cases, ...said) => {
    const problems = suiteProblems(suiteOf(cases), { 'policy.yaml': policy })
    expect(problems).toMatch(/^\/suite\/policy\.test\.yaml:\d+:\d+: /)
    for (const text of said) expect(problems).toContain(text)
  })

  it('say what is wrong with the policy, in its own file', () => {
    const bad = policy.replace('client: [orders]', 'client: [odrers]')
    const cases = `  - { name: a, ${given}, expect: { decision: permit } }`
    expect(suiteProblems(suiteOf(cases), { 'policy.yaml': bad })).toContain('/suite/policy.yaml:4:')
    expect(suiteProblems(suiteOf(cases))).toContain('policy: found a file that does not exist')
    expect(suiteProblems(suiteOf(cases).replace(/^policy.*/, ''))).toContain('found no policy')
  })
})
