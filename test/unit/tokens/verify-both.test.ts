import { beforeEach, describe, expect, it } from 'vitest'
import { type AskingVerifiers, startAskingVerifiers } from '../../support/introspection.ts'

let asking: AskingVerifiers
let token: string

beforeEach(async () => {
  asking = await startAskingVerifiers()
  token = await asking.issuer.sign({
    scope: 'orders:read orders:write',
    jti: 'j',
    acr: 'mfa',
    auth_time: 7,
    act: { sub: 'front' },
  })
})

const verify = (presented = token) => asking.verify('both', presented)
const invalid = (detail: string) => expect.stringMatching(new RegExp(`^token\\.invalid: .*${detail}`))

describe('a token that is verified by both', () => {
  it('is the token itself when the issuer calls it active and says nothing else', async () => {
    asking.answer({ active: true })
    const verified = await verify()
    expect(verified).toMatchObject({ subject: 'alice', scope: ['orders:read', 'orders:write'] })
    expect(verified).toBe(await asking.verify('jwt', token))
    expect(await verify()).toBe(verified)
    expect(asking.client.requests).toHaveLength(1)
  })

  it('is the same token when the issuer says the same', async () => {
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    asking.answer({
      ...asking.about({
        exp,
        jti: 'j',
        acr: 'mfa',
        act: { sub: 'front' },
        scope: 'orders:write orders:read',
      }),
      iss: asking.issuer.issuer,
      username: 'Alice',
    })
    expect(await verify()).toBe(await asking.verify('jwt', token))
  })

  it('takes nothing from the answer that it does not have itself, and is not refused for it', async () => {
    const plain = await asking.issuer.sign({ client_id: undefined, jti: undefined })
    asking.answer({ active: true, client_id: 'shop-web', jti: 'j', acr: 'mfa', auth_time: 7 })
    const verified = await verify(plain)
    expect(verified).toBe(await asking.verify('jwt', plain))
    expect(verified).toMatchObject({
      clientId: undefined,
      authenticationContext: undefined,
      authenticatedAt: undefined,
    })
  })

  it('holds no more scope than the issuer says', async () => {
    asking.answer({ active: true, scope: 'orders:read' })
    const verified = await verify()
    expect(verified).toMatchObject({
      scope: ['orders:read'],
      subject: 'alice',
      tokenType: 'urn:ietf:params:oauth:token-type:access_token',
      claims: { sub: 'alice', scope: 'orders:read orders:write' },
    })
    expect(await verify()).toBe(verified)
    expect(await asking.verify('jwt', token)).toMatchObject({ scope: ['orders:read', 'orders:write'] })
  })

  it.each<[string, Record<string, unknown>]>([
    ['iss', { iss: 'https://other.test' }],
    ['sub', { sub: 'bob' }],
    ['sub', { sub: null }],
    ['client_id', { client_id: 'other' }],
    ['jti', { jti: 'k' }],
    ['acr', { acr: 'pwd' }],
    ['auth_time', { auth_time: 8 }],
    ['exp', { exp: 2_000_000_000 }],
    ['exp', { exp: '1' }],
    ['for nobody', { aud: ['other'] }],
    ['for nobody', { aud: [] }],
    ['act', { act: { sub: 'other' } }],
    ['act', { act: { sub: 'front', act: { sub: 'more' } } }],
    ['act', { act: 'front' }],
    ['more scope', { scope: 'orders:read admin' }],
    ['scope', { scope: ['orders:read'] }],
    ['cnf', { cnf: { jkt: 'x' } }],
    ['token_type', { token_type: 'DPoP' }],
    ['token_use', { token_use: 'id' }],
  ])('is refused when the issuer says another %s: %j', async (detail, members) => {
    asking.answer({ active: true, ...members })
    expect(await verify()).toEqual(invalid(detail))
    expect(await verify()).toEqual(invalid(detail))
  })

  it('costs the issuer nothing when it does not verify', async () => {
    asking.answer({ active: true })
    expect(await verify(await (await startAskingVerifiers()).issuer.sign())).toEqual(invalid('signature'))
    expect(await verify(await asking.issuer.sign({ aud: 'other' }))).toEqual(invalid('aud'))
    expect(await verify('opaque')).toEqual(invalid('three parts'))
    expect(asking.client.requests).toEqual([])
  })

  it('is refused when nobody answers, and asked about again the next time', async () => {
    asking.answer({ status: 503 })
    expect(await verify()).toMatch(/^token\.introspection_unavailable: /)
    asking.answer({ active: true })
    expect(await verify()).toMatchObject({ subject: 'alice' })
  })

  it('is refused once the issuer says so, however well it was remembered by its signature', async () => {
    asking.answer({ active: true })
    await asking.verify('jwt', token)
    await verify()
    asking.answer({ active: false })
    asking.clock.advanceMs(5_000)
    expect(await verify()).toEqual(invalid('not active'))
    // What was remembered for signatures is as good as before, for routes that ask nobody.
    expect(await asking.verify('jwt', token)).toMatchObject({ subject: 'alice' })
    expect(await verify()).toEqual(invalid('not active'))
  })

  it('is refused by its own times, though the issuer called it active a moment ago', async () => {
    const short = await asking.issuer.sign({ exp: asking.clock.now() + 3 })
    asking.answer({ active: true })
    expect(await verify(short)).toMatchObject({ subject: 'alice' })
    asking.clock.advanceMs(3_000)
    expect(await verify(short)).toEqual(invalid('expired'))
  })

  it('is refused when it ended while the issuer took its time', async () => {
    const short = await asking.issuer.sign({ exp: asking.clock.now() + 3 })
    asking.answer(async () => {
      asking.clock.advanceMs(3_000)
      return { body: '{"active":true}' }
    })
    expect(await verify(short)).toEqual(invalid('expired'))
  })

  it('is not known to be active to who asks by signature alone, and the other way round', async () => {
    asking.answer(asking.about())
    expect(await asking.verify('introspection', 'opaque')).toMatchObject({ subject: 'alice' })
    expect(await asking.verify('jwt', 'opaque')).toEqual(invalid('three parts'))
    expect(await verify('opaque')).toEqual(invalid('three parts'))
  })
})

describe('an issuer that cannot be asked', () => {
  it('has no tokens for routes that want to ask', async () => {
    const changes = { introspection: undefined } as never
    asking = await startAskingVerifiers({}, changes)
    expect(await verify(await asking.issuer.sign())).toEqual(invalid('cannot be asked'))
    expect(await asking.verify('jwt', await asking.issuer.sign())).toMatchObject({ subject: 'alice' })
  })
})
