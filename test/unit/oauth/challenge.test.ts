import { describe, expect, it } from 'vitest'
import { parseStrictJsonObject } from '../../../src/base/strict-json.ts'
import { bearerChallenge } from '../../../src/oauth/challenge.ts'
import { scopeSet } from '../../../src/oauth/scope-set.ts'

describe('bearerChallenge', () => {
  it('has no error for a request that brought no credentials', () => {
    expect(bearerChallenge({ realm: 'orders' })).toBe('Bearer realm="orders"')
  })

  it('names the scope that is needed', () => {
    expect(bearerChallenge({ realm: 'orders' }, 'insufficient_scope', { scope: scopeSet(['b', 'a']) })).toBe(
      'Bearer realm="orders", error="insufficient_scope", scope="a b"',
    )
  })

  it('asks for a step-up as RFC 9470 writes it', () => {
    const stepUp = { acrValues: ['hwk', 'mfa'], maxAgeSeconds: 300 }
    expect(bearerChallenge({ realm: 'orders' }, 'insufficient_user_authentication', { stepUp })).toBe(
      'Bearer realm="orders", error="insufficient_user_authentication", acr_values="hwk mfa", max_age="300"',
    )
  })

  it('writes claims in a way that nothing in them can leave', () => {
    const claims = parseStrictJsonObject(
      '{"access_token":{"a\\"b\\r\\nSet-Cookie: x":{"values":["\u2028<é"]}}}',
    )
    const challenge = bearerChallenge({ realm: 'o' }, 'insufficient_user_authentication', {
      stepUp: { claims },
    })
    const [, encoded = ''] = /, claims="([A-Za-z0-9+/=]+)"$/.exec(challenge) ?? []
    expect(JSON.parse(Buffer.from(encoded, 'base64').toString())).toEqual(claims)
  })
})
