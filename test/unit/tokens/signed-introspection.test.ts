import { beforeEach, describe, expect, it } from 'vitest'
import { type AskingVerifiers, startAskingVerifiers } from '../../support/introspection.ts'

let asking: AskingVerifiers
const type = 'application/token-introspection+jwt'

async function start(signed: boolean): Promise<void> {
  asking = await startAskingVerifiers({ signed })
}

beforeEach(() => start(true))

/** Answers with a signed JWT, claims and header members replaced or, by undefined, left out. */
async function answerSigned(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  contentType = type,
): Promise<void> {
  const members = { aud: 'orders', sub: undefined, exp: undefined, client_id: undefined, scope: undefined }
  const iat = asking.clock.now()
  const whole = { ...members, iat, jti: undefined, token_introspection: asking.about(), ...claims }
  const body = await asking.issuer.sign(whole, { typ: 'token-introspection+jwt', ...header })
  asking.answer({ body, headers: new Map([['content-type', contentType]]) })
}

const verify = () => asking.verify('introspection', 'opaque')
const unavailable = (detail: string) =>
  expect.stringMatching(new RegExp(`^token\\.introspection_unavailable: .*${detail}`))

describe('a signed answer', () => {
  it('is asked for, and taken when the issuer signed it for this client', async () => {
    await answerSigned()
    expect(await verify()).toMatchObject({ subject: 'alice' })
    expect(asking.client.requests[0]?.headers).toMatchObject({ accept: type })
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
    ['an audience list', { aud: ['other', 'orders'] }],
    ["an audience of the issuer's tokens here", { aud: 'shop-web' }],
    ['a typ with application/', {}, { typ: 'application/token-introspection+jwt' }],
    ['an iat of a slow clock', { iat: Math.floor(Date.now() / 1000) - 4 }],
  ])('is taken with %s', async (_, claims, header) => {
    await answerSigned(claims, header)
    expect(await verify()).toMatchObject({ subject: 'alice' })
  })

  it('is taken when plain ones are too, and when its media type has parameters', async () => {
    await start(false)
    await answerSigned({}, {}, `${type}; charset=utf-8`)
    expect(await verify()).toMatchObject({ subject: 'alice' })
    expect(asking.client.requests[0]?.headers).toMatchObject({ accept: 'application/json' })
  })

  it('can say that a token is not active', async () => {
    await answerSigned({ token_introspection: { active: false } })
    expect(await verify()).toMatch(/^token\.invalid: .*not active/)
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>, string]>([
    ['the typ of an access token', {}, { typ: 'at+jwt' }, 'typ'],
    ['no typ', {}, { typ: undefined }, 'typ'],
    ['a key that is not there', {}, { kid: 'k2' }, 'kid'],
    ['an algorithm that is not allowed', {}, { alg: 'RS256' }, 'alg'],
    ['another issuer', { iss: 'https://other.test' }, {}, 'iss'],
    ['another audience', { aud: 'billing' }, {}, 'aud'],
    ['no audience', { aud: undefined }, {}, 'aud'],
    ['an old iat', { iat: Math.floor(Date.now() / 1000) - 60 }, {}, 'iat'],
    ['an iat to come', { iat: Math.floor(Date.now() / 1000) + 60 }, {}, 'iat'],
    ['no iat', { iat: undefined }, {}, 'iat'],
    [
      'its members at the top',
      { token_introspection: undefined, active: true, sub: 'alice' },
      {},
      'token_intro',
    ],
    ['members that are no object', { token_introspection: 'active' }, {}, 'token_intro'],
    ['active as text', { token_introspection: { active: 'true' } }, {}, 'active'],
  ])('says nothing with %s', async (_, claims, header, detail) => {
    await answerSigned(claims, header)
    expect(await verify()).toEqual(unavailable(detail))
  })

  it('says nothing when somebody else signed it', async () => {
    const { issuer: stranger } = await startAskingVerifiers()
    const body = await stranger.sign(
      { aud: 'orders', token_introspection: asking.about() },
      { typ: 'token-introspection+jwt' },
    )
    asking.answer({ body, headers: new Map([['content-type', type]]) })
    expect(await verify()).toEqual(unavailable('signature'))
  })

  it('cannot be replaced by a plain one where it is required', async () => {
    asking.answer(asking.about())
    expect(await verify()).toEqual(unavailable('not signed'))
    await answerSigned({}, {}, 'application/json')
    expect(await verify()).toEqual(unavailable('not signed'))
  })

  it('cannot be a plain one by another name', async () => {
    await start(false)
    asking.answer({ body: JSON.stringify(asking.about()), headers: new Map([['content-type', type]]) })
    expect(await verify()).toEqual(unavailable('JWT'))
  })
})
