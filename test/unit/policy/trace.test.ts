import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exchangeModes } from '../../../src/oauth/exchange-mode.ts'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import type { PolicyQuestion } from '../../../src/policy/question.ts'
import { createPolicyTrace } from '../../../src/policy/trace.ts'
import {
  audienceIds,
  clientIds,
  everyOccasion,
  policies,
  scopeTokens,
} from '../../support/generated-policies.ts'
import { aContext, aQuestion, aTokenOf, examplePolicy, policyServer } from '../../support/policy.ts'

const trace = createPolicyTrace(examplePolicy(), policyServer)
const alice = aTokenOf('alice', { tenant: 'blue' })
const agent = aTokenOf('agent-7', { tenant: 'blue', roles: ['support'] })

describe('the trace of a decision', () => {
  it('says of each rule about the mode and the audience what the question lacks first', () => {
    const { rules, decision } = trace(aQuestion({ subject: alice, actorToken: agent }))
    expect(decision).toMatchObject({ effect: 'deny', rule: 'support-within-tenant' })
    expect(rules).toEqual([
      { rule: 'support-within-tenant', lacks: 'a case id', passed: 6, steps: 7 },
      { rule: 'refund-with-approval', lacks: "the actor's role", passed: 3, steps: 9 },
      { rule: 'own-audience', lacks: 'a word on who acts', passed: 3, steps: 6 },
    ])
  })

  it('looks at no rule where the question itself is refused', () => {
    expect(trace(aQuestion({ client: 'nobody' })).rules).toEqual([])
    const two = { subject: aTokenOf('alice', { case_id: 'CASE-1' }), context: aContext({ caseId: 'CASE-2' }) }
    expect(trace(aQuestion(two)).rules).toEqual([])
  })

  it('always explains the decision: the first rule that lacks nothing, else the one that came furthest', () => {
    fc.assert(
      fc.property(
        policies,
        fc.constantFrom(...exchangeModes),
        fc.constantFrom(...clientIds),
        fc.constantFrom(...audienceIds),
        fc.subarray(scopeTokens),
        fc.nat(),
        fc.boolean(),
        (document, mode, client, audience, tokens, pick, isBare) => {
          const all = [...everyOccasion({ mode, client, audience, scope: scopeSet(tokens) })]
          const full = all[pick % all.length] as PolicyQuestion
          const question = isBare ? { ...full, context: aContext() } : full
          const { decision, rules } = createPolicyTrace(document, policyServer)(question)
          expect(decision).toEqual(createPolicy(document, policyServer).decide(question))
          const permitting = rules.find(({ lacks }) => lacks === undefined)
          if (decision.effect === 'permit') {
            expect(permitting?.rule).toBe(decision.rule)
            return
          }
          expect(permitting).toBeUndefined()
          const furthest = Math.max(...rules.map(({ passed }) => passed))
          const closest = rules.find(({ passed }) => passed === furthest)
          if (closest !== undefined) {
            expect(decision.reason).toBe(`rule ${closest.rule} came closest; it lacks ${closest.lacks}`)
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})
