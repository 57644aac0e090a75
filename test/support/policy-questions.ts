import fc from 'fast-check'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { parseActor } from '../../src/oauth/actor.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import type { PolicyDocument } from '../../src/policy/document.ts'
import type { PolicyQuestion } from '../../src/policy/question.ts'
import { aTokenOf, noon, parseTestPolicy, policyServer } from './policy.ts'

/** Policies, tokens and questions of every kind, for properties that hold for all of them. */

const clients = ['orders', 'billing']
const audiences = ['orders-api', 'billing-api']
const scopes = ['r', 's']

/** A condition or none of it: whatever a rule can ask. */
const maybe = (...texts: string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom(...texts) })

/** A rule without its id. */
export const someRule: fc.Arbitrary<string> = fc
  .record({
    mode: fc.constantFrom('delegation', 'delegation', 'delegation', 'impersonation'),
    who: fc.constantFrom('client: [orders]', 'kind: [service]', 'kind: [service]'),
    actor: maybe(
      'actor: anyone',
      'actor: anyone',
      'actor: { roles: [support] }',
      'actor: { tenant: as-subject }',
      'actor: { subject: [agent] }',
      'actor: { issuer: [https://login.test] }',
    ),
    kind: maybe('kind: [user]', 'kind: [machine]'),
    subject: maybe('subject: [alice]', "subject: ['job*']"),
    issuer: maybe('issuer: [https://login.test]', `issuer: [${policyServer}]`),
    tenant: maybe('tenant: [blue]'),
    attributes: maybe('attributes: { vip: true }'),
    into: fc.constantFrom('own', '[orders-api]', '[billing-api]', '[orders-api, billing-api]'),
    scopes: maybe('scopes: [r]', 'scopes: [s]'),
    when: maybe('when: subject.vip == true', 'when: client.id == "orders"'),
    caseId: maybe('case_id: true', "case_id: 'CASE-[0-9]+'"),
    acr: maybe('acr: [mfa]'),
    environment: maybe('environment: [production]'),
    hours: maybe(
      "business_hours: { from: '08:00', to: '18:00' }",
      "business_hours: { from: '00:00', to: '06:00' }",
    ),
  })
  .map(
    ({
      mode,
      who,
      actor,
      kind,
      subject,
      issuer,
      tenant,
      attributes,
      into,
      scopes: some,
      when,
      ...require
    }) => {
      const list = (...texts: string[]) => texts.filter(text => text !== '').join(', ')
      const conditions = list(...Object.values(require))
      return list(
        `mode: ${mode}`,
        `who: { ${list(who, actor)} }`,
        `for: { ${list(kind, subject, issuer, tenant, attributes)} }`,
        `into: ${into}`,
        some,
        when,
        conditions && `require: { ${conditions} }`,
      )
    },
  )

/** A policy with these rules, `rule-0` first. */
export function policyWith(rules: readonly string[]): PolicyDocument {
  return parseTestPolicy(`
clients: { orders: { kind: service }, billing: { kind: service }, storefront: { kind: service } }
audiences:
  orders-api: { scopes: [r, s], served_by: [orders] }
  billing-api: { scopes: [r, s], served_by: [billing] }
rules:
${rules.map((rule, index) => `  - { id: rule-${index}, ${rule} }`).join('\n')}
`)
}

export const somePolicy: fc.Arbitrary<PolicyDocument> = fc
  .array(someRule, { minLength: 1, maxLength: 6 })
  .map(policyWith)

function seldom<T>(...values: T[]): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  )
}

/** Permits nearly everything, in two modes. */
export const generousPolicy: fc.Arbitrary<PolicyDocument> = fc.constant(
  policyWith(
    ['delegation', 'impersonation'].map(
      mode =>
        `mode: ${mode}, who: { kind: [service], actor: anyone }, for: {}, into: [orders-api, billing-api]`,
    ),
  ),
)

const someClaims = fc.record({
  tenant: fc.constantFrom(undefined, 'blue', 'red'),
  roles: fc.constantFrom(undefined, ['support']),
  vip: fc.constantFrom(undefined, true),
  acr: fc.constantFrom(undefined, 'mfa'),
  case_id: seldom('CASE-1', 'CASE-2'),
  may_act: seldom({ sub: 'nobody' }),
})

export const someToken: fc.Arbitrary<VerifiedToken> = fc
  .record({
    subject: fc.constantFrom('alice', 'job:1'),
    issuer: fc.constantFrom('https://login.test', policyServer),
    claims: someClaims,
    isMachine: fc.boolean(),
    act: fc.constantFrom(
      undefined,
      { sub: 'storefront', iss: policyServer },
      { sub: 'storefront', iss: 'https://login.test' },
      { sub: 'agent', iss: 'https://login.test', roles: ['support'], tenant: 'blue' },
    ),
  })
  .map(({ subject, issuer, claims, isMachine, act }) => {
    const all = {
      iss: issuer,
      ...claims,
      ...(isMachine && { subject_kind: 'machine' }),
      ...(act !== undefined && { act }),
      ...(issuer === policyServer && {
        sub_id: { format: 'iss_sub', iss: 'https://login.test', sub: subject },
      }),
    }
    const known = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
    return { ...aTokenOf(subject, known), actor: parseActor(act, 8) }
  })

export const somePerson: fc.Arbitrary<VerifiedToken | undefined> = fc.option(
  someClaims.map(({ may_act: _, case_id: __, ...claims }) =>
    aTokenOf('agent', Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))),
  ),
  { nil: undefined, freq: 2 },
)

export const someQuestion: fc.Arbitrary<PolicyQuestion> = fc
  .record({
    mode: fc.constantFrom('delegation' as const, 'delegation' as const, 'impersonation' as const),
    client: fc.constantFrom(...clients),
    audience: fc.constantFrom(...audiences),
    scope: fc.subarray(scopes).map(list => scopeSet(list)),
    subject: someToken,
    actorToken: somePerson,
    caseId: fc.constantFrom(undefined, 'CASE-1'),
    environment: fc.constantFrom(undefined, 'production', 'staging'),
  })
  .map(({ caseId, environment, ...question }) => ({
    ...question,
    context: { now: noon, caseId, environment, approval: undefined },
  }))
