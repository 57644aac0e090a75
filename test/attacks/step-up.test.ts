import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type AttackedHop, type Denial, issueToAnybody, startAttackedHop } from '../support/attacked-hop.ts'
import type { TokenScript } from '../support/authorization-server.ts'

/**
 * A login that is too weak or too old for what is asked: whatever the token says about it, and however the
 * authorization server words what it wants. Nothing of either is passed on as it came, and no answer is kept: the user
 * may have authenticated again a moment later.
 */

let hop: AttackedHop

beforeAll(async () => {
  hop = await startAttackedHop({
    routes: `
  - { path: /orders/**, audience: orders-api, scope: orders:read }
  - { path: /acr/**, audience: orders-api, require: { acr: mfa } }
  - { path: /age/**, audience: orders-api, require: { max_age: 5m } }
`,
  })
})

afterAll(() => hop.close())

afterEach(() => hop.server.onToken(issueToAnybody(hop.server)))

const now = () => Math.floor(Date.now() / 1000)
const weak = 'Bearer realm="orders", error="insufficient_user_authentication"'
const tooWeak: Denial = { code: 'token.step_up', status: 401, challenge: `${weak}, acr_values="mfa"` }
const tooOld: Denial = { code: 'token.step_up', status: 401, challenge: `${weak}, max_age="300"` }

describe('B11 step-up', () => {
  it.each<[string, Record<string, unknown>]>([
    ['no acr', {}],
    ['another acr', { acr: 'pwd' }],
    ['acr that only begins like the right one', { acr: 'mfa ' }],
    ['acr in another case', { acr: 'MFA' }],
    ['several values in one acr', { acr: 'pwd mfa' }],
    ['amr instead of acr', { amr: ['mfa'] }],
  ])('B11 %s', async (_, claims) => {
    await hop.expectDenied(await hop.issuer.sign(claims), tooWeak, '/acr/1')
    await hop.expectForwarded(await hop.issuer.sign({ acr: 'mfa' }), '/acr/1')
  })

  it.each<[string, () => Record<string, unknown>]>([
    ['no auth_time', () => ({})],
    ['auth_time too long ago', () => ({ auth_time: now() - 310 })],
    ['auth_time to come', () => ({ auth_time: now() + 60 })],
    ['auth_time as text', () => ({ auth_time: String(now()) })],
    ['auth_time in milliseconds', () => ({ auth_time: Date.now() })],
    ['auth_time in a list', () => ({ auth_time: [now()] })],
    ['auth_time null', () => ({ auth_time: null })],
    ['negative auth_time', () => ({ auth_time: -1 })],
    ['iat instead of auth_time', () => ({ iat: now() })],
  ])('B11 %s', async (_, claims) => {
    await hop.expectDenied(await hop.issuer.sign(claims()), tooOld, '/age/1')
    await hop.expectForwarded(await hop.issuer.sign({ auth_time: now() - 10 }), '/age/1')
  })

  it('B11 an acr that is no text is no claim of an access token', async () => {
    await hop.expectDenied(await hop.issuer.sign({ acr: ['mfa'] }), undefined, '/acr/1')
  })

  it('B11 a token that was good on a route with less demands is asked again on the one with more', async () => {
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    await hop.expectForwarded(token)
    await hop.expectDenied(token, tooOld, '/age/1')
    await hop.expectForwarded(token)
    await hop.expectDenied(token, tooWeak, '/acr/1')
  })
})

describe('F20 what the authorization server wants of the user', () => {
  const answer = (body: unknown, status = 400): TokenScript => ({ status, body })

  async function challengeFor(body: unknown, status?: number) {
    hop.server.onToken(() => answer(body, status))
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const response = await hop.get(`Bearer ${token}`)
    expect(response.status).toBe(401)
    expect(JSON.parse(response.text)).toMatchObject({ code: 'exchange.interaction_required' })
    expect(response.header('cache-control')).toBe('no-store')
    return {
      token,
      challenge: response.header('www-authenticate') ?? '',
      text: response.raw.toString('latin1'),
    }
  }

  it.each(['interaction_required', 'login_required', 'consent_required', 'insufficient_user_authentication'])(
    'F20 passes %s on as a challenge, and keeps no answer',
    async error => {
      const { token, challenge } = await challengeFor({ error, acr_values: 'mfa', max_age: '60' })
      expect(challenge).toBe(`${weak}, acr_values="mfa", max_age="60"`)
      hop.server.onToken(issueToAnybody(hop.server))
      await hop.expectForwarded(token)
    },
  )

  it('F20 writes claims anew, whatever stands in them', async () => {
    const claims = { access_token: { 'a"\r\nSet-Cookie: x=1\r\n': { values: ['", error="none', '\u2028'] } } }
    for (const sent of [claims, JSON.stringify(claims)]) {
      const { challenge, text } = await challengeFor({ error: 'interaction_required', claims: sent })
      const [, encoded = ''] = /^Bearer [^\r\n]+, claims="([A-Za-z0-9+/=]+)"$/.exec(challenge) ?? []
      expect(JSON.parse(Buffer.from(encoded, 'base64').toString('ascii'))).toEqual(claims)
      expect(text).not.toContain('Set-Cookie')
    }
  })

  it.each<[string, Record<string, unknown>]>([
    ['claims that are no JSON', { claims: '"\r\nSet-Cookie: x=1' }],
    ['claims that are a list', { claims: '[1]' }],
    ['claims with a name twice', { claims: '{"a":1,"a":2}' }],
    ['claims of a megabyte', { claims: { a: 'x'.repeat(200_000) } }],
    ['claims of a thousand levels', { claims: `${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}` }],
    ['acr_values with a quote', { acr_values: 'mfa", error="none' }],
    ['acr_values with a line break', { acr_values: 'mfa\r\nSet-Cookie: x=1' }],
    ['acr_values by the thousand', { acr_values: 'a '.repeat(1000).trim() }],
    ['acr_values in a list', { acr_values: ['mfa'] }],
    ['max_age that is no number', { max_age: '60", x="' }],
    ['negative max_age', { max_age: -1 }],
    ['fractional max_age', { max_age: 0.5 }],
    ['a description', { error_description: '<script>alert(1)</script>' }],
  ])('F20 leaves out %s', async (_, members) => {
    const { challenge, text } = await challengeFor({ error: 'interaction_required', ...members })
    expect(challenge).toBe(weak)
    expect(text).not.toMatch(/Set-Cookie|script/)
  })
})
