import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Decision } from '../../../src/model/decision.ts'
import { isScopeWithin, scopeSet } from '../../../src/oauth/scope-set.ts'
import { createAllOf } from '../../../src/policy/all-of.ts'
import type { PolicyEngine } from '../../../src/policy/engine.ts'
import { anAdmittedRequest, aVerifiedToken } from '../../support/nouns.ts'

const answering = (decision: Decision | Promise<Decision>): PolicyEngine => ({ decide: () => decision })
const yes: Decision = { effect: 'permit', rule: 'a' }
const no: Decision = { effect: 'deny', rule: 'b', reason: 'no' }
const ask = (engine: PolicyEngine) => engine.decide(anAdmittedRequest(), aVerifiedToken())

const permits = fc.record({
  effect: fc.constant('permit' as const),
  rule: fc.constantFrom('a', 'b', 'c'),
  scope: fc.subarray(['r', 'w', 'x']).map(scopeSet),
  ttlSeconds: fc.integer({ min: 1, max: 100 }),
  notAfter: fc.integer({ min: 1, max: 100 }),
})

describe('createAllOf', () => {
  it('is the engine itself when there is one', () => {
    const engine = answering(yes)
    expect(createAllOf([engine])).toBe(engine)
  })

  it('denies what any engine denies, and asks no further', async () => {
    const neverAsked: PolicyEngine = {
      decide: () => {
        throw new Error('asked')
      },
    }
    expect(ask(createAllOf([answering(no), neverAsked]))).toBe(no)
    expect(ask(createAllOf([answering(yes), answering(no), neverAsked]))).toBe(no)
    expect(await ask(createAllOf([answering(Promise.resolve(yes)), answering(no), neverAsked]))).toBe(no)
    expect(await ask(createAllOf([answering(yes), answering(Promise.resolve(no)), neverAsked]))).toBe(no)
  })

  it('answers at once unless somebody has to be waited for', async () => {
    expect(ask(createAllOf([answering(yes), answering(yes)]))).not.toBeInstanceOf(Promise)
    const later = createAllOf([answering(yes), answering(Promise.resolve(yes)), answering(yes)])
    expect(await ask(later)).toMatchObject({ effect: 'permit' })
  })

  it('permits no more than each engine does, under the name of the last rule', () => {
    fc.assert(
      fc.property(fc.array(permits, { minLength: 2, maxLength: 4 }), ([first, ...rest]) => {
        if (first === undefined) return
        const all = [first, ...rest]
        const joined = ask(createAllOf([answering(first), ...rest.map(answering)])) as typeof first
        for (const one of all) {
          expect(isScopeWithin(joined.scope, one.scope)).toBe(true)
          expect(joined.ttlSeconds).toBeLessThanOrEqual(one.ttlSeconds)
          expect(joined.notAfter).toBeLessThanOrEqual(one.notAfter)
        }
        expect(joined.rule).toBe(all.at(-1)?.rule)
      }),
    )
  })

  it('gives the same object for the same answers, so that what follows from it can be remembered', () => {
    const engine = createAllOf([answering(yes), answering({ ...yes, rule: 'b' })])
    expect(ask(engine)).toBe(ask(engine))
  })
})
