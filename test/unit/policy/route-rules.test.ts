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

  it('denies on a route that it does not know', () => {
    const decision = createRouteRules([]).decide(anAdmittedRequest(), aVerifiedToken())
    expect(decision).toMatchObject({ effect: 'deny' })
  })

  it('throws for an expression that does not compile', () => {
    expect(() => createRouteRules([aRoute({ allow: 'subject.' })])).toThrow(/allow/)
  })
})
