import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Decision } from '../../../src/model/decision.ts'
import { permit } from '../../../src/model/exchange-request.ts'
import { isScopeWithin, scopeSet } from '../../../src/oauth/scope-set.ts'
import { aRoute, aVerifiedToken } from '../../support/nouns.ts'

const yes: Decision = { effect: 'permit', rule: 'orders' }
const scopes = fc.subarray(['a', 'b', 'c', 'd', 'e']).map(list => scopeSet(list))
const seconds = fc.option(fc.integer({ min: 1, max: 600 }), { nil: undefined })

describe('permit', () => {
  it('makes nothing of a deny', () => {
    expect(permit(aRoute(), aVerifiedToken(), { effect: 'deny', rule: 'r', reason: 'no' })).toBeUndefined()
  })

  it('makes nothing when the presented token lacks a scope that the route requires', () => {
    expect(permit(aRoute(), aVerifiedToken({ scope: scopeSet([]) }), yes)).toBeUndefined()
  })

  it('makes nothing when the decision narrows a required scope away', () => {
    expect(permit(aRoute(), aVerifiedToken(), { ...yes, scope: scopeSet(['other']) })).toBeUndefined()
  })

  it('asks for optional scopes only when they were presented', () => {
    const route = aRoute({ optionalScope: scopeSet(['orders:list', 'orders:write']) })
    const token = aVerifiedToken({ scope: scopeSet(['orders:read', 'orders:list', 'billing:read']) })
    expect(permit(route, token, yes)?.scope).toEqual(['orders:list', 'orders:read'])
  })

  it('makes nothing of a permit for another mode, and of an impersonation that no rule had a say in', () => {
    const impersonating = aRoute({ mode: 'impersonation' })
    expect(permit(impersonating, aVerifiedToken(), yes)).toBeUndefined()
    expect(permit(impersonating, aVerifiedToken(), { ...yes, mode: 'delegation' })).toBeUndefined()
    expect(permit(aRoute(), aVerifiedToken(), { ...yes, mode: 'impersonation' })).toBeUndefined()
    expect(permit(impersonating, aVerifiedToken(), { ...yes, mode: 'impersonation' })).toMatchObject({
      mode: 'impersonation',
    })
  })

  it('takes a person who acts only by a rule that had a say in it, and ends with their token and with the permit', () => {
    const occasion = {
      actorToken: aVerifiedToken({ subject: 'agent-7', expiresAt: 1_000 }),
      caseId: 'CASE-1',
    }
    expect(permit(aRoute(), aVerifiedToken(), yes, occasion)).toBeUndefined()
    const ruled: Decision = { ...yes, mode: 'delegation' }
    expect(permit(aRoute(), aVerifiedToken(), ruled, occasion)).toMatchObject({
      person: { subject: 'agent-7' },
      caseId: 'CASE-1',
      notAfter: 1_000,
    })
    expect(permit(aRoute(), aVerifiedToken(), { ...ruled, notAfter: 900 }, occasion)).toMatchObject({
      notAfter: 900,
    })
  })

  it('never widens: what is asked for is within the route, the presented token and the decision, and lives no longer', () => {
    fc.assert(
      fc.property(
        scopes,
        scopes,
        scopes,
        fc.option(scopes, { nil: undefined }),
        seconds,
        seconds,
        (required, optional, presented, narrowed, routeTtl, decisionTtl) => {
          const route = aRoute({
            scope: required,
            optionalScope: optional,
            ...(routeTtl && { ttlSeconds: routeTtl }),
          })
          const decision: Decision = {
            ...yes,
            ...(narrowed && { scope: narrowed }),
            ...(decisionTtl && { ttlSeconds: decisionTtl }),
          }
          const token = aVerifiedToken({ scope: presented })
          const request = permit(route, token, decision)
          if (request === undefined) {
            const available = presented.filter(scope => narrowed === undefined || narrowed.includes(scope))
            expect(isScopeWithin(required, scopeSet(available))).toBe(false)
            return
          }
          expect(isScopeWithin(request.scope, presented)).toBe(true)
          expect(isScopeWithin(request.scope, scopeSet([...required, ...optional]))).toBe(true)
          if (narrowed !== undefined) expect(isScopeWithin(request.scope, narrowed)).toBe(true)
          expect(isScopeWithin(required, request.scope)).toBe(true)
          expect(request.notAfter).toBe(token.expiresAt)
          const bound = Math.min(routeTtl ?? Infinity, decisionTtl ?? Infinity)
          expect(request.ttlSeconds ?? Infinity).toBe(bound)
        },
      ),
    )
  })
})
