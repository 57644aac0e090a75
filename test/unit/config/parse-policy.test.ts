import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../../src/config/config-problem.ts'
import { parsePolicy } from '../../../src/config/parse-policy.ts'
import { parseSidecarConfig } from '../../../src/config/parse-sidecar.ts'
import { examplePolicy } from '../../support/policy.ts'

const good = `clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read], served_by: [orders] } }
rules:
  - id: own
    who: { client: [orders] }
    for: { kind: [user] }
    into: [orders-api]
`

function problemsOf(text: string): string {
  const parsed = parsePolicy(text, { file: 'policy.yaml', env: {} })
  return parsed.ok ? '' : formatProblems(parsed.error)
}

describe('a policy', () => {
  it('has the same digest however it is written, and another when anything decides otherwise', () => {
    const digestOf = (text: string) => {
      const parsed = parsePolicy(text, { file: 'policy.yaml', env: {} })
      return parsed.ok ? parsed.value.digest : problemsOf(text)
    }
    const digest = digestOf(good)
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
    expect(
      digestOf(`# A comment\n${good.replace('{ kind: [user] }', '\n      kind:\n        - user')}`),
    ).toBe(digest)
    const others = [
      good.replace('id: own', 'id: mine'),
      good.replace('[user]', '[machine]'),
      `${good}    ttl: 1m\n`,
      `${good}    require: { case_id: 'C-[0-9]+' }\n`,
      `${good}    require: { case_id: 'C-[0-9]*' }\n`,
      `${good}    when: context.now > 0.0\n`,
      good.replace('served_by: [orders]', ''),
    ].map(digestOf)
    expect(new Set([digest, ...others]).size).toBe(others.length + 1)
  })

  it('is frozen and holds what the example says', () => {
    const example = examplePolicy()
    expect(Object.isFrozen(example.rules[0])).toBe(true)
    expect(example.rules.map(({ id }) => id)).toContain('support-within-tenant')
    expect(example.approvers.get('grace')?.jwks.keys).toHaveLength(1)
  })

  it.each([
    [
      'an unknown client',
      good.replace('client: [orders]', 'client: [order]'),
      'policy.yaml:5:21: rules[0].who.client[0]: found a client that is not there; expected one of "orders"; did you mean "orders"?',
    ],
    [
      'an unknown audience',
      good.replace('into: [orders-api]', 'into: [orders-apy]'),
      'rules[0].into[0]: found an audience that is not there',
    ],
    ...['scope', 'act', 'iss', 'impersonator', 'subject_kind', 'case_id', 'lineage'].map(
      (claim): [string, string, string] => [
        `a tenant in ${claim}, which the token service writes itself`,
        `claims: { tenant: ${claim} }\n${good}`,
        'claims.tenant: found ',
      ],
    ),
    [
      'roles in a claim that the token service writes itself',
      `claims: { roles: act }\n${good}`,
      'claims.roles: found ',
    ],
    [
      'an unknown kind',
      good.replace('client: [orders]', 'kind: [worker]'),
      'rules[0].who.kind[0]: found a kind of client that is not there',
    ],
    [
      'a scope that the audience does not have',
      `${good}    scopes: [orders:write]\n`,
      'rules[0].scopes: found scope "orders:write", which none of its audiences has',
    ],
    [
      'a condition that does not compile',
      `${good}    when: subject.\n`,
      'rules[0].when: found an expression that does not compile',
    ],
    [
      'a condition over the request, which the token service does not see',
      `${good}    when: request.path == "/"\n`,
      'rules[0].when: found an expression that does not compile',
    ],
    [
      'nobody who asks',
      good.replace('{ client: [orders] }', '{ }'),
      'rules[0].who: found neither client nor kind',
    ],
    [
      'nobody who is asked for',
      good.replace('    for: { kind: [user] }\n', ''),
      'rules[0].for: found nothing',
    ],
    ['a subject of a machine', `${good}    mode: machine\n`, 'rules[0].for: found a subject'],
    [
      'a ticket of a machine',
      `${good.replace('    for: { kind: [user] }\n', '')}    mode: machine\n    ticket: { issue: [export] }\n`,
      'rules[0].ticket: found a ticket for machine',
    ],
    [
      'a ticket that is issued and redeemed by one rule',
      `${good}    ticket: { issue: [export], redeem: [export] }\n`,
      'rules[0].ticket',
    ],
    [
      'two rules of one name',
      `${good}${good.slice(good.indexOf('  - id'))}`,
      'rules[1].id: found the same as in entry 0',
    ],
    [
      'an approval that nobody can give',
      `${good}    require: { approval: true, case_id: true }\n`,
      'rules[0].require.approval: found no approver in this policy',
    ],
    [
      'a case id that is no regular expression',
      `${good}    require: { case_id: '[' }\n`,
      'rules[0].require.case_id: found "["; expected true, or a regular expression',
    ],
    [
      'hours that end before they begin',
      `${good}    require: { business_hours: { from: '18:00', to: '08:00' } }\n`,
      'business_hours.to: found a time not after from',
    ],
    [
      'a time zone that is not there',
      `${good}    require: { business_hours: { from: '08:00', to: '18:00', timezone: Mars/Base } }\n`,
      'business_hours.timezone',
    ],
    ['an unknown key', `${good}    tll: 1m\n`, 'rules[0].tll: found an unknown key'],
  ])('is refused for %s', (_, text, problem) => {
    expect(problemsOf(text)).toContain(problem)
  })
})

describe('a sidecar with a policy', () => {
  const config = `service: orders
upstream: http://127.0.0.1:3000
policy: policy.yaml
issuers: [{ issuer: https://login.test, audience: [shop] }]
routes: [{ path: /orders/**, audience: orders-api, scope: orders:read }]
`
  const read = (text: string, policy: string) =>
    parseSidecarConfig(text, { file: 'c.yaml', env: {}, readText: () => ({ ok: true, value: policy }) })

  it('carries it, and its digest decides', () => {
    const first = read(config, good)
    const second = read(config, `${good}    ttl: 1m\n`)
    if (!first.ok || !second.ok) throw new Error('not parsed')
    expect(first.value.policy?.rules).toHaveLength(1)
    expect(first.value.sts?.policy).toBe(first.value.policy)
    expect(first.value.policyDigest).not.toBe(second.value.policyDigest)
  })

  it('says what is wrong with it, in its own file', () => {
    const parsed = read(config, good.replace('[user]', '[usr]'))
    expect(parsed.ok ? '' : formatProblems(parsed.error)).toMatch(
      /policy\.yaml:6:.*rules\[0\]\.for\.kind\[0\]/,
    )
  })

  it.each([
    [
      'its own client',
      config.replace('service: orders', 'service: order'),
      'c.yaml:1:10: service: found "order", which the policy does not know',
    ],
    [
      'the audience of a route',
      config.replace('audience: orders-api', 'audience: other'),
      'routes[0].audience: found "other", which the policy does not know',
    ],
    [
      'a header that is taken',
      `${config}context: { case_id: Authorization }\n`,
      'context.case_id: found "Authorization", which is taken',
    ],
    [
      'one header for two things',
      `${config}context: { case_id: X-A, actor_token: x-a }\n`,
      'context.actor_token: found the header of case_id',
    ],
  ])('is refused when it does not know %s', (_, text, problem) => {
    const parsed = read(text, good)
    expect(parsed.ok ? '' : formatProblems(parsed.error)).toContain(problem)
  })
})
