import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../../src/policy/expression.ts'
import { policyFacts } from '../../../src/policy/facts.ts'
import { anAdmittedRequest, aVerifiedToken } from '../../support/nouns.ts'

function holds(source: string, claims: Record<string, unknown> = {}, headers: string[] = []): boolean {
  const expression = compileExpression(source)
  if (!expression.ok) throw new Error(expression.error)
  const actor = claims['act'] as { sub: string } | undefined
  const token = aVerifiedToken({ claims, ...(actor && { actor: { subject: actor.sub } }) })
  return expression.value.holds(policyFacts(token, anAdmittedRequest({ headers }), expression.value))
}

describe('compileExpression', () => {
  it('decides by subject, actor, client, token and request', () => {
    const support = { tenant: 'a', act: { sub: 'agent-7', roles: ['support'] } }
    const rule = 'subject.tenant == request.headers["x-tenant"] && "support" in actor.roles'
    expect(holds(rule, support, ['X-Tenant', 'a'])).toBe(true)
    expect(holds(rule, support, ['X-Tenant', 'b'])).toBe(false)
    expect(holds('client.id == "shop-web" && "orders:read" in token.scope')).toBe(true)
    expect(holds('request.method == "GET" && request.path.startsWith("/orders/")')).toBe(true)
  })

  it('takes a missing claim, header or actor for no', () => {
    expect(holds('subject.tenant == "a"')).toBe(false)
    expect(holds('subject.tenant != "a"')).toBe(false)
    expect(holds('request.headers["x-tenant"] == "a"')).toBe(false)
    expect(holds('"support" in actor.roles', { act: { sub: 'agent-7' } })).toBe(false)
  })

  it('shows every value of a repeated header, so that a second one cannot hide', () => {
    const rule = 'request.headers["x-kind"] == "user"'
    expect(holds(rule, {}, ['X-Kind', 'user'])).toBe(true)
    expect(holds(rule, {}, ['X-Kind', 'user', 'x-kind', 'admin'])).toBe(false)
  })

  it.each(['__proto__', 'constructor', 'hasOwnProperty', 'toString'])(
    'sees no claim in the inherited property %s',
    name => {
      expect(holds(`has(subject.${name})`)).toBe(false)
      expect(holds(`request.headers["${name}"] != ""`)).toBe(false)
    },
  )

  it('looks at the outermost actor only', () => {
    const nested = { act: { sub: 'storefront', act: { sub: 'agent-7', roles: ['support'] } } }
    expect(holds('"support" in actor.roles', nested)).toBe(false)
  })

  it.each([
    ['subject.', /IDENTIFIER/],
    ['users.name == "a"', /Unknown variable: users/],
    ['1 + 1', /not a bool/],
    ['"yes"', /not a bool/],
  ])('refuses %j with a reason', (source, reason) => {
    const compiled = compileExpression(source)
    expect(compiled.ok ? '' : compiled.error).toMatch(reason)
  })

  it('sees the path decoded, as the upstream will', () => {
    const rule = compileExpression('request.path.startsWith("/admin")')
    if (!rule.ok) throw new Error(rule.error)
    const facts = policyFacts(aVerifiedToken(), anAdmittedRequest({ path: '/%61dmin/x' }), rule.value)
    expect(rule.value.holds(facts)).toBe(true)
  })

  it('knows whether the answer depends on the request', () => {
    const reads = (source: string) => {
      const compiled = compileExpression(source)
      return compiled.ok && compiled.value.readsRequest
    }
    expect(reads('request.method == "GET"')).toBe(true)
    expect(reads('subject.id == "alice"')).toBe(false)
  })

  it('sees the host that routes are matched by, not what the caller wrote', () => {
    const rule = compileExpression('request.host != "admin.test"')
    if (!rule.ok) throw new Error(rule.error)
    const request = anAdmittedRequest({ authority: 'ADMIN.test.:80', host: 'admin.test' })
    expect(rule.value.holds(policyFacts(aVerifiedToken(), request, rule.value))).toBe(false)
  })

  it.each([
    ['request.headers["x-a"] == "1"', true],
    ['request["headers"]["x-a"] == "1"', true],
    ['request["head" + "ers"]["x-a"] == "1"', true],
    ['request.all(k, k != "x")', true],
    ['request == subject', true],
    ['request.method == "GET" && size(request) == 4', true],
    ['request.method == "GET" && request.path == "/" && request.host == "a"', false],
    ['subject.headers == "x"', false],
  ])('knows whether %s can reach the headers', (source, expected) => {
    const compiled = compileExpression(source)
    expect(compiled.ok && compiled.value.readsHeaders).toBe(expected)
  })

  it('puts the headers together only for an expression that can reach them', () => {
    const request = anAdmittedRequest({ headers: ['X-A', '1'] })
    const facts = (source: string) => {
      const compiled = compileExpression(source)
      if (!compiled.ok) throw new Error(compiled.error)
      return policyFacts(aVerifiedToken(), request, compiled.value).request
    }
    expect(facts('request.method == "GET"')).toEqual({
      method: 'GET',
      path: '/orders/17',
      host: 'orders.test',
    })
    expect(facts('request["head" + "ers"]["x-a"] == "1"')).toMatchObject({ headers: { 'x-a': '1' } })
    expect(facts('subject.id == "alice"')).toEqual({})
  })
})
