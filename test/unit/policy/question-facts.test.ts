import { describe, expect, it } from 'vitest'
import { createPolicy } from '../../../src/policy/policy.ts'
import { aContext, aQuestion, aTokenOf, examplePolicy, noon, policyServer } from '../../support/policy.ts'

const policy = createPolicy(examplePolicy(), policyServer)

describe('what the record keeps of a question', () => {
  it('is what rules look at, of the subject, of who acts and of the occasion, and no other claim', () => {
    const facts = policy.describe(
      aQuestion({
        subject: aTokenOf('alice', { tenant: 'blue', email: 'alice@example.com' }),
        actorToken: aTokenOf('agent-7', {
          tenant: 'blue',
          roles: ['support'],
          acr: 'mfa',
          auth_time: noon - 60,
          email: 'agent@example.com',
        }),
        context: aContext({ caseId: 'CASE-1042', environment: 'test' }),
      }),
    )
    expect(facts).toEqual({
      mode: 'delegation',
      aud: 'orders-api',
      scope: 'orders:read',
      subject: { iss: 'https://login.test', sub: 'alice', kind: 'user', tenant: 'blue' },
      actor: {
        iss: 'https://login.test',
        sub: 'agent-7',
        kind: 'person',
        tenant: 'blue',
        roles: ['support'],
      },
      case_id: 'CASE-1042',
      acr: 'mfa',
      auth_time: noon - 60,
      environment: 'test',
    })
  })

  it('names nobody who is not there', () => {
    const asked = { mode: 'machine', client: 'nightly', audience: 'jobs-api', subject: undefined } as const
    const facts = policy.describe(aQuestion(asked))
    expect(facts).not.toHaveProperty('subject')
    expect(facts).not.toHaveProperty('actor')
  })

  it('is nothing for a question that no rule is asked', () => {
    expect(policy.describe(aQuestion({ client: 'nobody' }))).toBeUndefined()
    expect(policy.describe(aQuestion({ actorToken: aTokenOf('alice') }))).toBeUndefined()
  })
})
