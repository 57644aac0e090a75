import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Decision } from '../../../src/model/decision.ts'
import { permit, permitMachine } from '../../../src/model/exchange-request.ts'
import { isScopeWithin, scopeSet } from '../../../src/oauth/scope-set.ts'
import { tokenType } from '../../../src/oauth/token-type.ts'
import { aRoute, aVerifiedToken } from '../../support/nouns.ts'

const yes: Decision = { effect: 'permit', rule: 'orders' }
const scopes = fc.subarray(['a', 'b', 'c', 'd', 'e']).map(list => scopeSet(list))
const seconds = fc.option(fc.integer({ min: 1, max: 600 }), { nil: undefined })

describe('permitMachine', () => {
  const route = aRoute({ mode: 'machine', scope: scopeSet(['a']), optionalScope: scopeSet(['b', 'c']) })
  const token = aVerifiedToken({ scope: scopeSet(['a', 'b']) })
  const itself = { ...yes, mode: 'machine' } as const

  it('asks for no more than the caller holds, and does not end with the caller', () => {
    expect(permitMachine(route, token, itself)).toMatchObject({
      mode: 'machine',
      scope: ['a', 'b'],
      requiredScope: ['a'],
      notAfter: Number.POSITIVE_INFINITY,
      transaction: undefined,
    })
    expect(permitMachine(route, token, { ...itself, notAfter: 7, scope: scopeSet(['a']) })).toMatchObject({
      scope: ['a'],
      notAfter: 7,
    })
    expect(permitMachine(route, aVerifiedToken({ scope: scopeSet(['b']) }), itself)).toBeUndefined()
  })

  it('takes a permit for machines on a route for machines, and no other', () => {
    expect(permitMachine(route, token, yes)).toBeUndefined()
    expect(permitMachine(route, token, { ...yes, mode: 'delegation' })).toBeUndefined()
    expect(permitMachine(aRoute({ scope: scopeSet(['a']) }), token, itself)).toBeUndefined()
    expect(permit(route, token, itself)).toBeUndefined()
  })

  it('asks for a Transaction Token of the caller where the identity is dual, unless one came', () => {
    const dual = { ...route, trustDomain: 'shop.test', resource: 'https://jobs.test/' }
    expect(permitMachine(dual, token, itself)?.transaction).toMatchObject({
      mode: 'delegation',
      audience: 'shop.test',
      resource: undefined,
      requestedTokenType: tokenType.transaction,
      scope: ['a', 'b'],
      subject: 'alice',
      notAfter: token.expiresAt,
    })
    expect(
      permitMachine(dual, token, itself, { caseId: undefined, hasTransaction: true })?.transaction,
    ).toBeUndefined()
  })
})

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
