import { describe, expect, it } from 'vitest'
import { createPolicy } from '../../../src/policy/policy.ts'
import type { PolicyQuestion } from '../../../src/policy/question.ts'
import { aContext, aQuestion, aTokenOf, parseTestPolicy, policyServer } from '../../support/policy.ts'

/** A policy with one rule, which says more than the least. */
function ruleThat(says: string, who = '', whom = '') {
  const policy = createPolicy(
    parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read] } }
rules:
  - { id: one, who: { client: [orders]${who} }, for: { kind: [user]${whom} }, into: [orders-api]${says} }
`),
    policyServer,
  )
  return (about: Partial<PolicyQuestion>) => policy.decide(aQuestion(about)).effect
}

describe('a rule about tickets', () => {
  const issue = { step: 'issue', purpose: 'mail' } as const

  it('is for its step and its purposes, and for nothing without a ticket', () => {
    const decide = ruleThat(', ticket: { issue: [mail] }')
    expect(decide({ ticket: issue })).toBe('permit')
    expect(decide({ ticket: { ...issue, step: 'redeem' } })).toBe('deny')
    expect(decide({ ticket: { ...issue, purpose: 'report' } })).toBe('deny')
    expect(decide({})).toBe('deny')
  })

  it('is another one than a rule that does not speak of tickets', () => {
    const decide = ruleThat('')
    expect(decide({})).toBe('permit')
    expect(decide({ ticket: issue })).toBe('deny')
  })
})

it('is for its environments, and not for one that nobody named', () => {
  const decide = ruleThat(', require: { environment: [production] }')
  expect(decide({ context: aContext({ environment: 'production' }) })).toBe('permit')
  expect(decide({ context: aContext({ environment: 'staging' }) })).toBe('deny')
  expect(decide({ context: aContext() })).toBe('deny')
})

describe('a rule about who acts', () => {
  const acting = (sub: string, claims = {}) => ({ actorToken: aTokenOf(sub, claims) })

  it.each([
    ['subject', "subject: ['agent-*']", acting('agent-7'), acting('admin-7')],
    ['issuer', "issuer: ['https://login.test']", acting('a'), acting('a', { iss: 'https://other.test' })],
    ['tenant', 'tenant: [blue]', acting('a', { tenant: 'blue' }), acting('a', { tenant: 'red' })],
    ['anyone', undefined, acting('a'), undefined],
  ])('is for that %s', (_, rule, permitted, denied) => {
    const decide = ruleThat('', `, actor: ${rule === undefined ? 'anyone' : `{ ${rule} }`}`)
    expect(decide(permitted)).toBe('permit')
    if (denied !== undefined) {
      expect(decide(denied)).toBe('deny')
      expect(decide({})).toBe('deny')
    }
  })

  it('does not take two parties without a tenant for members of the same', () => {
    const decide = ruleThat('', ', actor: { tenant: as-subject }')
    expect(decide(acting('a'))).toBe('deny')
    const subject = aTokenOf('alice', { tenant: 'blue' })
    expect(decide({ ...acting('a', { tenant: 'blue' }), subject })).toBe('permit')
  })
})

describe('a rule about whom it is for', () => {
  it.each([
    ['subject', "subject: ['al*']", {}, { subject: aTokenOf('bob') }],
    [
      'issuer',
      "issuer: ['https://login.test']",
      {},
      { subject: aTokenOf('alice', { iss: 'https://other.test' }) },
    ],
    [
      'tenant',
      'tenant: [blue]',
      { subject: aTokenOf('alice', { tenant: 'blue' }) },
      { subject: aTokenOf('alice') },
    ],
    [
      'attribute',
      'attributes: { plan: [gold] }',
      { subject: aTokenOf('alice', { plan: ['gold'] }) },
      { subject: aTokenOf('alice', { plan: 'silver' }) },
    ],
  ])('is for that %s', (_, rule, permitted, denied) => {
    const decide = ruleThat('', '', `, ${rule}`)
    expect(decide(permitted)).toBe('permit')
    expect(decide(denied)).toBe('deny')
  })

  it('believes nobody but the token service whose subject it is', () => {
    const decide = ruleThat('', '', ", issuer: ['https://login.test']")
    const sub_id = { format: 'iss_sub', iss: 'https://login.test', sub: 'alice' }
    expect(decide({ subject: aTokenOf('alice', { iss: policyServer, sub_id }) })).toBe('permit')
    expect(decide({ subject: aTokenOf('alice', { iss: 'https://other.test', sub_id }) })).toBe('deny')
    const other = { ...sub_id, sub: 'bob' }
    expect(decide({ subject: aTokenOf('alice', { iss: policyServer, sub_id: other }) })).toBe('deny')
  })
})

it('may_act of the subject names who may act, and nobody who hides', () => {
  const subject = aTokenOf('alice', { may_act: { sub: 'orders' } })
  expect(ruleThat('')({ subject })).toBe('permit')
  expect(ruleThat('')({ subject: aTokenOf('alice', { may_act: { sub: 'billing' } }) })).toBe('deny')
  const impersonates = ruleThat(', mode: impersonation')
  expect(impersonates({ subject, mode: 'impersonation' })).toBe('deny')
  expect(impersonates({ mode: 'impersonation' })).toBe('permit')
})
