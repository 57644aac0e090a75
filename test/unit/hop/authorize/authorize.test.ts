import { describe, expect, it } from 'vitest'
import { createAuthorize } from '../../../../src/hop/authorize/authorize.ts'
import type { Decision } from '../../../../src/model/decision.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { createRouteRules } from '../../../../src/policy/route-rules.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'
import { anAdmittedRequest, aRoute, aVerifiedToken } from '../../../support/nouns.ts'

const clock = createFakeClock()

function authorizeOn(route = aRoute(), token = aVerifiedToken()) {
  const authorized = createAuthorize(createRouteRules([route]), clock)(anAdmittedRequest({ route }), token)
  if (authorized instanceof Promise) throw new Error('the rules of routes answer at once')
  return authorized
}

describe('createAuthorize', () => {
  it('turns a permit into the request that it permits', () => {
    const { decision, request } = authorizeOn()
    expect(decision.effect).toBe('permit')
    expect(request).toMatchObject({
      ok: true,
      value: { audience: 'orders-api', subject: 'alice', scope: ['orders:read'] },
    })
  })

  it('refuses what the policy denies', () => {
    const { request } = authorizeOn(aRoute({ clients: ['other'] }))
    expect(request).toMatchObject({ ok: false, error: { code: 'policy.denied' } })
  })

  it('refuses with a step-up challenge what would be permitted after it', () => {
    const stepUp = { acrValues: ['mfa'], maxAgeSeconds: 300 }
    const decide = () => ({ effect: 'deny', rule: 'r', reason: 'weak', stepUp }) as const
    const authorize = createAuthorize({ decide }, clock)
    expect(authorize(anAdmittedRequest(), aVerifiedToken())).toMatchObject({
      request: { ok: false, error: { code: 'token.step_up', stepUp } },
    })
  })

  it('asks for every request again how long ago the user authenticated, of one remembered token', () => {
    const route = aRoute({ require: { maxAgeSeconds: 300 } })
    const token = aVerifiedToken({ authenticatedAt: clock.now() })
    const authorize = createAuthorize(createRouteRules([route]), clock)
    const first = authorize(anAdmittedRequest({ route }), token)
    expect(first).toMatchObject({ request: { ok: true }, decision: { effect: 'permit' } })
    clock.advanceMs(300_000)
    expect(authorize(anAdmittedRequest({ route }), token)).toBe(first)
    clock.advanceMs(1)
    expect(authorize(anAdmittedRequest({ route }), token)).toMatchObject({
      decision: { effect: 'deny', rule: 'orders#require' },
      request: { ok: false, error: { code: 'token.step_up', stepUp: { maxAgeSeconds: 300 } } },
    })
  })

  it('asks nobody to authenticate again for what they are not permitted anyway', () => {
    const require = { acrValues: ['mfa'] }
    expect(authorizeOn(aRoute({ require, clients: ['other'] })).request).toMatchObject({
      error: { code: 'policy.denied' },
    })
    expect(authorizeOn(aRoute({ require, scope: scopeSet(['more']) })).request).toMatchObject({
      error: { code: 'policy.scope_missing' },
    })
  })

  it('does not say that the caller is not permitted when nobody could be asked', () => {
    const decide = () => ({ effect: 'deny', rule: 'r', reason: 'no answer', unavailable: true }) as const
    expect(createAuthorize({ decide }, clock)(anAdmittedRequest(), aVerifiedToken())).toMatchObject({
      request: { ok: false, error: { code: 'policy.unavailable' } },
    })
  })

  it('names the required scope when the presented token lacks it', () => {
    const { request } = authorizeOn(aRoute(), aVerifiedToken({ scope: scopeSet(['billing:read']) }))
    expect(request).toMatchObject({
      ok: false,
      error: { code: 'policy.scope_missing', scope: ['orders:read'] },
    })
  })

  it('makes the request once for each token and route, and never lends it to another route', () => {
    const shared: Decision = Object.freeze({ effect: 'permit', rule: 'any' })
    const authorize = createAuthorize({ decide: () => shared }, clock)
    const token = aVerifiedToken()
    const orders = anAdmittedRequest({ route: aRoute() })
    const billing = anAdmittedRequest({ route: aRoute({ id: 'billing', audience: 'billing-api' }) })
    expect(authorize(orders, token)).toBe(authorize(orders, token))
    expect(authorize(billing, token)).toMatchObject({ request: { value: { audience: 'billing-api' } } })
    expect(authorize(orders, token)).toMatchObject({ request: { value: { audience: 'orders-api' } } })
  })

  it('does not keep a request when the decision changes', () => {
    let scope = scopeSet(['orders:read', 'orders:list'])
    const authorize = createAuthorize({ decide: () => ({ effect: 'permit', rule: 'r', scope }) }, clock)
    const route = aRoute({ optionalScope: scopeSet(['orders:list']) })
    const token = aVerifiedToken({ scope: scopeSet(['orders:read', 'orders:list']) })
    expect(authorize(anAdmittedRequest({ route }), token)).toMatchObject({
      request: { value: { scope: ['orders:list', 'orders:read'] } },
    })
    scope = scopeSet(['orders:read'])
    expect(authorize(anAdmittedRequest({ route }), token)).toMatchObject({
      request: { value: { scope: ['orders:read'] } },
    })
  })
})
