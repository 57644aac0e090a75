import { describe, expect, it } from 'vitest'
import { createRouteRules } from '../../../src/policy/route-rules.ts'
import { anAdmittedRequest, aRoute, aVerifiedToken } from '../../support/nouns.ts'

describe('createRouteRules', () => {
  it('permits a client that the route names and denies every other, also one without a name', () => {
    const route = aRoute({ clients: ['shop-web'] })
    const engine = createRouteRules([route])
    const request = anAdmittedRequest({ route })
    expect(engine.decide(request, aVerifiedToken())).toMatchObject({ effect: 'permit', rule: 'orders' })
    const { clientId: _, ...nameless } = aVerifiedToken()
    for (const token of [aVerifiedToken({ clientId: 'other' }), nameless]) {
      expect(engine.decide(request, token)).toMatchObject({ effect: 'deny', rule: 'orders#clients' })
    }
  })

  it('denies when the allow expression is not true, and names the rule', () => {
    const route = aRoute({ allow: 'subject.id == "bob"' })
    const engine = createRouteRules([route])
    const request = anAdmittedRequest({ route })
    expect(engine.decide(request, aVerifiedToken())).toMatchObject({ effect: 'deny', rule: 'orders#allow' })
    expect(engine.decide(request, aVerifiedToken({ subject: 'bob' }))).toMatchObject({ effect: 'permit' })
  })

  it('lets machines alone use a route for machines, and nobody for whom somebody acts', () => {
    const route = aRoute({ mode: 'machine' })
    const engine = createRouteRules([route])
    const request = anAdmittedRequest({ route })
    const machine = aVerifiedToken({ subject: 'batch', clientId: 'batch' })
    expect(engine.decide(request, machine)).toMatchObject({ effect: 'permit', mode: 'machine' })
    const carried = aVerifiedToken({ claims: { subject_kind: 'machine' } })
    expect(engine.decide(request, carried)).toMatchObject({ effect: 'permit' })
    const denied = { effect: 'deny', rule: 'orders#mode' }
    expect(engine.decide(request, aVerifiedToken())).toMatchObject(denied)
    expect(engine.decide(request, machine, aVerifiedToken())).toMatchObject(denied)
    const delegated = { ...machine, actor: { subject: 'desk' } }
    expect(engine.decide(request, delegated)).toMatchObject(denied)
  })

  it('asks for a context where the identity is dual', () => {
    const route = aRoute({ mode: 'machine', trustDomain: 'shop.test' })
    const engine = createRouteRules([route])
    const machine = aVerifiedToken({ subject: 'batch', clientId: 'batch' })
    const alone = anAdmittedRequest({ route })
    const accompanied = anAdmittedRequest({ route, transactionToken: 'a.b.c' })
    expect(engine.decide(alone, aVerifiedToken())).toMatchObject({
      effect: 'permit',
      mode: 'machine',
    })
    expect(engine.decide(accompanied, machine)).toMatchObject({ effect: 'permit' })
    expect(engine.decide(alone, machine)).toMatchObject({ effect: 'deny', rule: 'orders#mode' })
    expect(engine.decide(accompanied, aVerifiedToken())).toMatchObject({ effect: 'deny' })
  })

  it('denies on a route that it does not know', () => {
    const decision = createRouteRules([]).decide(anAdmittedRequest(), aVerifiedToken())
    expect(decision).toMatchObject({ effect: 'deny' })
  })

  it('throws for an expression that does not compile', () => {
    expect(() => createRouteRules([aRoute({ allow: 'subject.' })])).toThrow(/allow/)
  })
})
