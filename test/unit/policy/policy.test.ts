import { describe, expect, it } from 'vitest'
import { type Actor, parseActor } from '../../../src/oauth/actor.ts'
import { emptyScope, scopeSet } from '../../../src/oauth/scope-set.ts'
import type { Approval } from '../../../src/policy/document.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import type { PolicyQuestion } from '../../../src/policy/question.ts'
import {
  aContext,
  aQuestion,
  aTokenOf,
  examplePolicy,
  noon,
  parseTestPolicy,
  policyServer,
} from '../../support/policy.ts'

const policy = createPolicy(examplePolicy(), policyServer)
const decide = (about: Partial<PolicyQuestion>) => policy.decide(aQuestion(about))
const alice = aTokenOf('alice', { tenant: 'blue' })
const agent = aTokenOf('agent-7', { tenant: 'blue', roles: ['support'] })
const inCase = aContext({ caseId: 'CASE-1042' })

describe('the example policy', () => {
  const support = {
    subject: alice,
    actorToken: agent,
    context: inCase,
    scope: scopeSet(['address:write']),
  }

  it('lets support act for users of their own tenant with a case id, and for a minute', () => {
    expect(decide(support)).toMatchObject({
      effect: 'permit',
      rule: 'support-within-tenant',
      mode: 'delegation',
      ttlSeconds: 60,
    })
  })

  it.each([
    [
      'in another tenant',
      { actorToken: aTokenOf('agent-7', { tenant: 'red', roles: ['support'] }) },
      "the subject's tenant",
    ],
    ['without a tenant', { subject: aTokenOf('alice') }, "the subject's tenant"],
    ['without the role', { actorToken: aTokenOf('agent-7', { tenant: 'blue' }) }, "the actor's role"],
    [
      'with a role that is no list',
      { actorToken: aTokenOf('agent-7', { tenant: 'blue', roles: 'support' }) },
      "the actor's role",
    ],
    ['without a case id', { context: aContext() }, 'a case id'],
    [
      'with a case id of another form',
      { context: aContext({ caseId: 'CASE-1' }) },
      'a case id of the right form',
    ],
    ['for a refund', { scope: scopeSet(['orders:refund']) }, 'a scope that it permits'],
  ])('does not let support act %s, and says what the closest rule lacks', (_, about, lack) => {
    const decision = decide({ ...support, ...about })
    expect(decision).toMatchObject({ effect: 'deny' })
    expect('reason' in decision && decision.reason).toBe(
      `rule support-within-tenant came closest; it lacks ${lack}`,
    )
  })

  it('does not let support act for a machine', () => {
    const job = aTokenOf('job:1', { tenant: 'blue', client_id: 'job:1' })
    expect(decide({ ...support, subject: job })).toMatchObject({ effect: 'deny' })
  })

  it('lets a service exchange for its own audience only', () => {
    expect(decide({})).toMatchObject({ effect: 'permit', rule: 'own-audience' })
    expect(decide({ client: 'billing' })).toMatchObject({ effect: 'deny' })
    expect(decide({ client: 'billing', audience: 'billing-api', scope: scopeSet([]) })).toMatchObject({
      effect: 'permit',
    })
  })

  it('lets a person act only by a rule that speaks of actors', () => {
    expect(decide({ actorToken: aTokenOf('mallory') })).toMatchObject({ effect: 'deny' })
  })

  it('takes the outermost actor for a client only from the token service itself', () => {
    const hop = { act: { sub: 'storefront', iss: policyServer } }
    const actor = { subject: 'storefront', issuer: policyServer }
    const from = (iss: string) => ({ ...aTokenOf('alice', { iss, ...hop }), actor })
    expect(decide({ subject: from(policyServer) })).toMatchObject({ effect: 'permit' })
    expect(decide({ subject: from('https://login.test') })).toMatchObject({ effect: 'deny' })
  })

  it('lets a partner exchange with a consent record and into its audience only', () => {
    const consenting = aTokenOf('alice', { consents: ['acme'] })
    const partner = { client: 'acme-connect', audience: 'acme-api', subject: consenting }
    expect(decide(partner)).toMatchObject({ effect: 'permit', rule: 'partner-with-consent', ttlSeconds: 120 })
    expect(decide({ ...partner, subject: alice })).toMatchObject({
      effect: 'deny',
      reason: 'rule partner-with-consent came closest; it lacks its condition',
    })
    expect(decide({ ...partner, audience: 'orders-api' })).toMatchObject({ effect: 'deny' })
  })

  it('lets a worker exchange for system jobs and never for a human', () => {
    const job = aTokenOf('job:reports', { client_id: 'job:reports' })
    const worker = { client: 'nightly', audience: 'jobs-api', scope: scopeSet(['reports:write']) }
    expect(decide({ ...worker, subject: job })).toMatchObject({ effect: 'permit', rule: 'worker-for-jobs' })
    expect(decide({ ...worker, subject: alice })).toMatchObject({ effect: 'deny' })
    expect(decide({ ...worker, subject: aTokenOf('job:alice') })).toMatchObject({ effect: 'deny' })
    expect(decide({ ...worker, mode: 'machine', subject: undefined })).toMatchObject({
      effect: 'permit',
      rule: 'worker-itself',
    })
  })

  it('lets a lead see the shop as a user in business hours only, for a minute', () => {
    const lead = aTokenOf('lead-1', { tenant: 'blue', roles: ['support-lead'] })
    const view = {
      mode: 'impersonation',
      client: 'storefront',
      audience: 'storefront-api',
      actorToken: lead,
    } as const
    const asked = { ...view, subject: alice, context: inCase }
    expect(decide(asked)).toMatchObject({ effect: 'permit', mode: 'impersonation', ttlSeconds: 60 })
    const midnight = aContext({ caseId: 'CASE-1042', now: noon + 12 * 3600 })
    expect(decide({ ...asked, context: midnight })).toMatchObject({
      effect: 'deny',
      reason: 'rule view-as-user came closest; it lacks business hours',
    })
  })
})

describe('an approval', () => {
  const lead = aTokenOf('lead-1', {
    tenant: 'blue',
    roles: ['support-lead'],
    acr: 'mfa',
    auth_time: noon - 60,
  })
  const refund = { subject: alice, actorToken: lead, scope: scopeSet(['orders:refund']) }
  const approval: Approval = {
    id: 'approval-1',
    approver: 'grace',
    actor: 'lead-1',
    actorIssuer: 'https://login.test',
    subject: 'alice',
    subjectIssuer: 'https://login.test',
    caseId: 'CASE-1042',
    audience: 'orders-api',
    mode: 'delegation',
    scope: scopeSet(['orders:refund']),
    expiresAt: noon + 300,
  }
  const approved = (about: Partial<Approval>) =>
    decide({ ...refund, context: aContext({ caseId: 'CASE-1042', approval: { ...approval, ...about } }) })

  it('is what a denial asks for when nothing else is missing', () => {
    expect(decide({ ...refund, context: inCase })).toMatchObject({ effect: 'deny', approvers: ['grace'] })
  })

  it('permits until it ends', () => {
    expect(approved({})).toMatchObject({
      effect: 'permit',
      notAfter: noon + 300,
      approval: { id: 'approval-1', approver: 'grace' },
    })
  })

  it('serves for less than its scope, and never for more than the rule', () => {
    const scope = scopeSet(['orders:refund', 'orders:write'])
    expect(approved({ scope })).toMatchObject({ effect: 'permit', scope: ['orders:refund'] })
  })

  it.each([
    ['has ended', { expiresAt: noon }],
    ['is of somebody who may not approve', { approver: 'mallory' }],
    ['is for another actor', { actor: 'lead-2' }],
    ["is for another issuer's actor", { actorIssuer: 'https://other.test' }],
    ['is for another subject', { subject: 'bob' }],
    ["is for another issuer's subject", { subjectIssuer: 'https://other.test' }],
    ['is for another case', { caseId: 'CASE-1043' }],
    ['is for another audience', { audience: 'billing-api' }],
    ['is for the other mode', { mode: 'impersonation' as const }],
    ['is for another scope', { scope: scopeSet(['orders:read']) }],
    ['is for no scope', { scope: emptyScope }],
  ])('is worth nothing when it %s', (_, about) => {
    expect(approved(about)).toMatchObject({ effect: 'deny' })
  })

  it('is worth nothing from the one who acts or is acted for', () => {
    for (const sub of ['actor', 'subject'] as const) {
      const token = aTokenOf('grace', lead.claims['roles'] ? { ...lead.claims, sub: 'grace' } : {})
      const about =
        sub === 'actor' ? { actorToken: token } : { subject: aTokenOf('grace', { tenant: 'blue' }) }
      const given = { ...approval, [sub]: 'grace' }
      const context = aContext({ caseId: 'CASE-1042', approval: given })
      expect(decide({ ...refund, ...about, context })).toMatchObject({
        effect: 'deny',
        reason: 'rule refund-with-approval came closest; it lacks an approval of this very case',
      })
    }
  })

  it('is worth nothing from whoever acted before', () => {
    const act = { sub: 'orders', iss: policyServer, act: { sub: 'grace' } }
    const subject = { ...aTokenOf('alice', { tenant: 'blue', act }), actor: parseActor(act, 9) as Actor }
    const context = aContext({ caseId: 'CASE-1042', approval })
    expect(decide({ ...refund, subject, context })).toMatchObject({ effect: 'deny' })
    const other = { ...subject, actor: { subject: 'orders', issuer: policyServer } }
    expect(decide({ ...refund, subject: other, context })).toMatchObject({ effect: 'permit' })
  })

  it('is worth nothing from the one who acts under another name', () => {
    const given = { ...approval, approver: 'grace', approverSubject: 'lead-1' }
    const context = aContext({ caseId: 'CASE-1042', approval: given })
    expect(decide({ ...refund, context })).toMatchObject({
      effect: 'deny',
      reason: 'rule refund-with-approval came closest; it lacks an approval of this very case',
    })
  })

  it('does not stand in for a login: that is asked for first', () => {
    const weak = { ...lead, authenticatedAt: noon - 3600 }
    expect(decide({ ...refund, actorToken: weak, context: inCase })).toMatchObject({
      effect: 'deny',
      stepUp: { acrValues: ['mfa'], maxAgeSeconds: 900 },
    })
  })
})

describe('a decision', () => {
  it('denies a client, an audience and a mode that no rule knows', () => {
    for (const about of [{ client: 'nobody' }, { audience: 'nowhere' }, { mode: 'machine' as const }]) {
      expect(decide(about)).toMatchObject({ effect: 'deny', rule: 'no rule' })
    }
  })

  it('denies when the request names another case than the token', () => {
    const subject = aTokenOf('alice', { case_id: 'CASE-2000' })
    expect(decide({ subject, context: inCase })).toMatchObject({ effect: 'deny' })
    expect(decide({ subject, context: aContext({ caseId: 'CASE-2000' }) })).toMatchObject({
      effect: 'permit',
    })
  })

  it('takes a case id of a token only when it is one, and no other in its place', () => {
    const rules = createPolicy(
      parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read] } }
rules:
  - { id: cases, who: { client: [orders] }, for: { kind: [user] }, into: [orders-api], require: { case_id: true } }
`),
      policyServer,
    )
    const ask = (case_id: unknown, caseId?: string) =>
      rules.decide(aQuestion({ subject: aTokenOf('alice', { case_id }), context: aContext({ caseId }) }))
    expect(ask('CASE-1')).toMatchObject({ effect: 'permit' })
    for (const claim of ['a'.repeat(65), 'CASE 1', '', 7, null]) {
      expect(ask(claim)).toMatchObject({ effect: 'deny' })
      expect(ask(claim, 'CASE-1')).toMatchObject({ effect: 'deny' })
    }
  })

  it('is the same object for the same rule, so that what follows from it can be remembered', () => {
    expect(decide({})).toBe(decide({ subject: aTokenOf('bob') }))
  })

  it('reads no claim from a prototype', () => {
    const document = parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read] } }
rules:
  - { id: odd, who: { client: [orders] }, for: { attributes: { constructor: [x], toString: [y] } }, into: [orders-api] }
`)
    expect(createPolicy(document, policyServer).decide(aQuestion())).toMatchObject({ effect: 'deny' })
  })
})

describe('who acts', () => {
  const support = { subject: alice, actorToken: agent, context: inCase, scope: scopeSet(['address:write']) }

  it('is not the subject, also where the token service made one of the two tokens', () => {
    const sub_id = { format: 'iss_sub', iss: 'https://login.test', sub: 'agent-7' }
    const exchanged = aTokenOf('agent-7', { iss: policyServer, tenant: 'blue', sub_id })
    expect(decide({ ...support, subject: exchanged })).toMatchObject({ reason: 'nobody acts for themselves' })
    const namesake = { ...exchanged.claims, sub_id: { ...sub_id, iss: 'https://other.test' } }
    expect(decide({ ...support, subject: { ...exchanged, claims: namesake } })).toMatchObject({
      effect: 'permit',
    })
  })

  it('is nobody for whom, or as whom, somebody else acts', () => {
    const act = { sub: 'storefront', iss: policyServer }
    const delegated = { ...aTokenOf('agent-7', { ...agent.claims, act }), actor: { subject: 'storefront' } }
    const impersonated = aTokenOf('agent-7', { ...agent.claims, impersonator: { sub: 'admin' } })
    for (const actorToken of [delegated, impersonated]) {
      expect(decide({ ...support, actorToken })).toMatchObject({ effect: 'deny', rule: 'no rule' })
    }
    expect(decide(support)).toMatchObject({ effect: 'permit' })
  })

  it('is not known to have logged in when only the token of the subject names them', () => {
    const login = { acr: 'mfa', auth_time: noon - 60 }
    const act = { sub: 'lead-1', iss: 'https://login.test', tenant: 'blue', roles: ['support-lead'] }
    const claims = { iss: policyServer, tenant: 'blue', ...login, act }
    const subject = { ...aTokenOf('alice', claims), actor: parseActor(act, 9) as Actor }
    const refund = { subject, scope: scopeSet(['orders:refund']), context: inCase }
    expect(decide(refund)).toMatchObject({ effect: 'deny', stepUp: { acrValues: ['mfa'] } })
    const actorToken = aTokenOf('lead-1', { tenant: 'blue', roles: ['support-lead'], ...login })
    expect(decide({ ...refund, actorToken })).toMatchObject({ effect: 'deny', approvers: ['grace'] })
  })
})
