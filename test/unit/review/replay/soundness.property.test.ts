import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SidecarConfig } from '../../../../src/config/sidecar-config.ts'
import { createCloudEventWriter } from '../../../../src/hop/record/cloud-event.ts'
import { createTokenEventWriter } from '../../../../src/hub/token-event-line.ts'
import { decisionFacts } from '../../../../src/model/audit-event.ts'
import type { Decision } from '../../../../src/model/decision.ts'
import { subjectKind } from '../../../../src/model/subject-kind.ts'
import type { VerifiedToken } from '../../../../src/model/verified-token.ts'
import { actorSubjects, parseActor } from '../../../../src/oauth/actor.ts'
import { grantType } from '../../../../src/oauth/grant-type.ts'
import { formatScope, scopeSet } from '../../../../src/oauth/scope-set.ts'
import type { PolicyDocument } from '../../../../src/policy/document.ts'
import { createPolicy } from '../../../../src/policy/policy.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import { caseIdOf } from '../../../../src/policy/read-case.ts'
import { createDecideAgain } from '../../../../src/review/replay/decide-again.ts'
import { createEventReader } from '../../../../src/review/replay/read-event.ts'
import { anAuditEvent, inboundFacts, outboundFacts } from '../../../support/audit-event.ts'
import { aRoute } from '../../../support/nouns.ts'
import { aTokenOf, noon, parseTestPolicy, policyServer } from '../../../support/policy.ts'

const clients = ['orders', 'billing']
const audiences = ['orders-api', 'billing-api']
const scopes = ['r', 's']

/** A condition or none of it: whatever a rule can ask. */
const maybe = (...texts: string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom(...texts) })

const someRule = fc
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

function policyWith(rules: readonly string[]): PolicyDocument {
  return parseTestPolicy(`
clients: { orders: { kind: service }, billing: { kind: service }, storefront: { kind: service } }
audiences:
  orders-api: { scopes: [r, s], served_by: [orders] }
  billing-api: { scopes: [r, s], served_by: [billing] }
rules:
${rules.map((rule, index) => `  - { id: rule-${index}, ${rule} }`).join('\n')}
`)
}

const somePolicy = fc.array(someRule, { minLength: 1, maxLength: 6 }).map(policyWith)

function seldom<T>(...values: T[]): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  )
}

/** What came before was often more generous. */
const generous = fc.constant(
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

const someToken: fc.Arbitrary<VerifiedToken> = fc
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

const somePerson = fc.option(
  someClaims.map(({ may_act: _, case_id: __, ...claims }) =>
    aTokenOf('agent', Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))),
  ),
  { nil: undefined, freq: 2 },
)

const someQuestion: fc.Arbitrary<PolicyQuestion> = fc
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

/** The line that a sidecar writes of this decision. */
function hopLine(
  { client, audience, scope, subject, actorToken, context }: PolicyQuestion,
  decision: Decision,
): string {
  if (subject === undefined) throw new Error('a hop has a subject')
  return createCloudEventWriter(client)(
    anAuditEvent({
      at: noon,
      route: 'the-route',
      caseId: context.caseId,
      decision: decisionFacts(decision),
      detail: decision.effect === 'deny' ? decision.reason : undefined,
      inbound: inboundFacts({
        issuer: subject.issuer,
        subject: subject.subject,
        clientId: subject.clientId,
        kind: subjectKind(subject),
        actors: actorSubjects(subject.actor),
      }),
      person: actorToken && {
        issuer: actorToken.issuer,
        subject: actorToken.subject,
        tokenId: undefined,
        fingerprint: 'fp',
      },
      outbound:
        decision.effect === 'deny'
          ? undefined
          : outboundFacts({ audience, scope: formatScope(scopeSet([...scope, 'r'])) }),
    }),
  )
}

/** The line that a hub writes of it. */
function tokenLine(
  { mode, client, audience, scope, subject, actorToken, context }: PolicyQuestion,
  decision: Decision,
): string {
  if (subject === undefined) throw new Error('an exchange has a subject')
  const isIssued = decision.effect === 'permit'
  const before = actorSubjects(subject.actor)
  const actor = actorToken?.subject ?? client
  const effective = caseIdOf(subject, context.caseId)
  const caseId = isIssued && effective.ok ? effective.value : context.caseId
  return createTokenEventWriter(policyServer)({
    id: 'id',
    at: noon,
    kind: isIssued ? 'issued' : 'refused',
    endpoint: 'token',
    grantType: grantType.tokenExchange,
    peer: 'local',
    error: isIssued ? undefined : 'access_denied',
    detail: isIssued ? undefined : decision.reason,
    tokenId: undefined,
    expiresAt: undefined,
    client,
    subject: subject.subject,
    issuer: subject.issuer,
    subjectFingerprint: 'fp',
    subjectKind: subjectKind(subject),
    audience,
    scope: formatScope(scope),
    actors: !isIssued
      ? before
      : mode === 'impersonation'
        ? []
        : before[0] === actor
          ? before
          : [actor, ...before],
    ...(actorToken && {
      person: { issuer: actorToken.issuer, subject: actorToken.subject, fingerprint: 'fp' },
    }),
    ...(caseId !== undefined && { caseId }),
    decision: decisionFacts(decision),
  })
}

function configOf({ client, audience, scope, mode, context }: PolicyQuestion): SidecarConfig {
  return {
    service: client,
    exchange: { server: policyServer, client: { id: client } },
    environment: context.environment,
    routes: [aRoute({ id: 'the-route', audience, scope, mode })],
  } as unknown as SidecarConfig
}

describe('replay', () => {
  it('never says what the policy does not: an answer from the record is the answer that all facts give', () => {
    const answers = { permit: 0, deny: 0, undecidable: 0 }
    fc.assert(
      fc.property(
        fc.oneof(generous, somePolicy),
        somePolicy,
        fc.array(fc.tuple(someQuestion, fc.constantFrom('hop', 'hop with configuration', 'token')), {
          minLength: 20,
          maxLength: 40,
        }),
        (older, newer, asked) => {
          const [old, now] = [createPolicy(older, policyServer), createPolicy(newer, policyServer)]
          const decideAgain = createDecideAgain(newer)
          for (const [question, source] of asked) {
            const before = old.decide(question)
            const truth = now.decide(question)
            const configs = new Map(
              source === 'hop with configuration' ? [[question.client, configOf(question)]] : [],
            )
            const line = source === 'token' ? tokenLine(question, before) : hopLine(question, before)
            const read = createEventReader(newer, configs)(line)
            if (!read.ok || read.value === undefined) throw new Error(`not read: ${line}`)
            const again = decideAgain(read.value)
            answers[again.effect]++
            if (again.effect === 'undecidable') continue
            expect(again.effect, line).toBe(truth.effect)
            if (again.effect === 'permit') expect(again.rule.split(' or ')).toContain(truth.rule)
          }
        },
      ),
      { numRuns: 60 },
    )
    expect(answers.permit).toBeGreaterThan(0)
    expect(answers.deny).toBeGreaterThan(30)
    expect(answers.undecidable).toBeGreaterThan(30)
  }, 60_000)
})
