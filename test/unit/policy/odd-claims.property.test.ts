import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseActor } from '../../../src/oauth/actor.ts'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import { aContext, aQuestion, aTokenOf, examplePolicy, policyServer } from '../../support/policy.ts'

const policy = createPolicy(examplePolicy(), policyServer)

/** What an issuer may write where a text is expected. */
const odd = fc.oneof(
  fc.constantFrom('blue', 'red', '', 'BLUE', 'blue ', 'blu\u0435', '__proto__', 'constructor', 'toString'),
  fc.constantFrom(0, -0, 17, true, null, undefined),
  fc.constantFrom(['blue'], ['blue', 'red'], [], [['blue']], { blue: true }, { toString: 'blue' }, {}),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const roles = fc.oneof(
  fc.constantFrom(
    ['support'],
    ['support', 'support'],
    ['support', 17],
    'support',
    { 0: 'support' },
    [],
    [['support']],
  ),
  odd,
)
const caseId = fc.oneof(
  fc.constantFrom(
    'CASE-1042',
    'CASE-1042\n',
    '\nCASE-1042',
    'CASE-1042\r\nX: y',
    'case-1042',
    ['CASE-1042'],
    1042,
    'CASE-104\u0662',
  ),
  odd,
)
const acts = fc.constantFrom(
  undefined,
  { sub: 'orders', iss: policyServer },
  { sub: 'agent-7', iss: 'https://login.test', tenant: 'blue', roles: ['support'] },
  { sub: '__proto__' },
  { sub: 'constructor', iss: policyServer },
  { sub: 'orders', iss: policyServer, act: { sub: 'orders', iss: policyServer, act: { sub: 'orders' } } },
)
const mayActs = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { sub: 'agent-7' },
      [{ sub: 'agent-7' }],
      { sub: ['agent-7'] },
      { sub: 'agent-7', group: 'x' },
      'agent-7',
      null,
      {},
    ),
  },
)

/** Everything as it should be. */
const good = {
  tenant: 'blue',
  agentTenant: 'blue',
  roles: ['support'],
  caseId: undefined,
  named: 'CASE-1042',
  act: undefined,
  mayAct: undefined,
}

describe('a decision about claims of any kind', () => {
  it('never throws, and lets an agent act only by tenants, roles, a case and may_act that are what they should be', () => {
    let permitted = 0
    fc.assert(
      fc.property(
        fc.record({
          tenant: odd,
          agentTenant: odd,
          roles,
          caseId,
          named: caseId,
          act: acts,
          mayAct: mayActs,
        }),
        ({ tenant, agentTenant, roles, caseId, named, act, mayAct }) => {
          const claims = { tenant, case_id: caseId, act, may_act: mayAct }
          const actor = act === undefined ? undefined : parseActor(act, 9)
          const token = aTokenOf('alice', { ...claims, iss: policyServer })
          const subject = actor === undefined ? token : { ...token, actor }
          const actorToken = aTokenOf('agent-7', { tenant: agentTenant, roles })
          const context = aContext({ caseId: typeof named === 'string' ? named : undefined })
          const scope = scopeSet(['address:write'])
          const asked = {
            client: 'support-desk',
            audience: 'support-api',
            scope,
            subject,
            actorToken,
            context,
          }
          const decision = policy.decide(aQuestion(asked))
          if (decision.effect === 'deny') return
          permitted++
          expect(tenant).toBe(agentTenant)
          expect(typeof tenant === 'string' && tenant !== '').toBe(true)
          const held: readonly unknown[] = Array.isArray(roles) ? roles : []
          expect(held).toContain('support')
          expect(held.every(one => typeof one === 'string')).toBe(true)
          expect([caseId, context.caseId]).toContain('CASE-1042')
          expect(caseId === undefined || context.caseId === undefined || caseId === context.caseId).toBe(true)
          expect(mayAct === undefined || JSON.stringify(mayAct) === '{"sub":"agent-7"}').toBe(true)
        },
      ),
      { numRuns: 3_000, examples: [[good], [{ ...good, mayAct: { sub: 'agent-7' } }]] },
    )
    expect(permitted).toBeGreaterThan(1)
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''])(
    'knows no client and no audience that is called %j',
    name => {
      expect(policy.decide(aQuestion({ client: name }))).toMatchObject({ effect: 'deny' })
      expect(policy.decide(aQuestion({ audience: name }))).toMatchObject({ effect: 'deny' })
      expect(policy.decide(aQuestion({ scope: scopeSet(name === '' ? ['x'] : [name]) }))).toMatchObject({
        effect: 'deny',
      })
    },
  )
})
