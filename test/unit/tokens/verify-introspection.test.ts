import { beforeEach, describe, expect, it } from 'vitest'
import { HttpClientError } from '../../../src/base/http-client.ts'
import { silentLog } from '../../../src/base/log.ts'
import { tokenType } from '../../../src/oauth/token-type.ts'
import { createTokenVerifiers } from '../../../src/tokens/token-verifiers.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'
import {
  type AskingVerifiers,
  anIntrospectionConfig,
  introspectionEndpoint,
  startAskingVerifiers,
} from '../../support/introspection.ts'
import { rulesFor } from '../../support/issuer-rules.ts'
import { createTestIssuer } from '../../support/tokens.ts'

const opaque = 'mF_9.B5f-4.1JqM'
let asking: AskingVerifiers

beforeEach(async () => {
  asking = await startAskingVerifiers()
})

const verify = (token = opaque) => asking.verify('introspection', token)
const invalid = (detail: string) => expect.stringMatching(new RegExp(`^token\\.invalid: .*${detail}`))
const unavailable = (detail: string) =>
  expect.stringMatching(new RegExp(`^token\\.introspection_unavailable: .*${detail}`))

describe('a token that the issuer calls active', () => {
  it('has everything that a hop needs to know, from the answer', async () => {
    asking.answer(
      asking.about({ iss: asking.issuer.issuer, jti: 'j', act: { sub: 'front' }, acr: 'mfa', auth_time: 7 }),
    )
    expect(await verify()).toMatchObject({
      issuer: asking.issuer.issuer,
      tokenType: tokenType.accessToken,
      subject: 'alice',
      audience: ['shop-web'],
      clientId: 'shop-web',
      tokenId: 'j',
      scope: ['orders:read'],
      actor: { subject: 'front' },
      authenticationContext: 'mfa',
      authenticatedAt: 7,
      expiresAt: asking.clock.now() + 300,
      fingerprint: expect.stringMatching(/^[\w-]{43}$/),
      claims: { sub: 'alice', acr: 'mfa' },
    })
  })

  it('is asked about by a form over POST, with the credentials of the client', async () => {
    asking.answer(asking.about())
    await verify()
    expect(asking.client.requests).toMatchObject([
      {
        method: 'POST',
        url: new URL(introspectionEndpoint),
        body: `token=${opaque}&token_type_hint=access_token`,
        headers: { authorization: `Basic ${btoa('orders:secret-canary')}`, accept: 'application/json' },
      },
    ])
  })

  it('is told from another by its fingerprint, which is that of the JWT when it is one', async () => {
    asking.answer(asking.about())
    const jwt = await asking.issuer.sign()
    const tokens = await Promise.all([opaque, `${opaque}x`, jwt].map(verify))
    const prints = tokens.map(token => (typeof token === 'string' ? token : token.fingerprint))
    expect(new Set(prints).size).toBe(3)
    expect(await asking.verify('jwt', jwt)).toMatchObject({ fingerprint: prints[2] })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['another issuer', { iss: 'https://evil.test' }, 'iss'],
    ['no subject', { sub: undefined }, 'sub'],
    ['no audience', { aud: undefined }, 'aud'],
    ['another audience', { aud: ['other'] }, 'aud'],
    ['no expiry', { exp: undefined }, 'exp'],
    ['an expiry as text', { exp: '2000000000' }, 'exp'],
    ['an expiry that was', { exp: 1 }, 'expired'],
    ['too long a life', { exp: 9_000_000_000 }, 'longer'],
    ['a start that is to come', { nbf: 1_999_999_990, exp: 2_000_000_000 }, 'longer|not valid yet'],
    ['a key that it is bound to', { cnf: {} }, 'cnf'],
    ['no token type', { token_type: undefined }, 'token_type'],
    ['a DPoP token type', { token_type: 'DPoP' }, 'token_type'],
    ['the type of a refresh token', { token_type: 'refresh_token' }, 'token_type'],
    ['a token type that is no text', { token_type: ['Bearer'] }, 'token_type'],
    ['the use of a refresh token', { token_use: 'refresh_token' }, 'token_use'],
    ['the body type of an ID token', { typ: 'ID' }, 'typ'],
    ['events', { events: {} }, 'events'],
    ['a malformed scope', { scope: ['a'] }, 'scope'],
    ['a malformed actor', { act: 'x' }, 'act'],
  ])('is refused with %s', async (_, members, detail) => {
    asking.answer(asking.about(members))
    expect(await verify()).toEqual(invalid(detail))
    asking.clock.advanceMs(60_000)
    asking.answer(asking.about())
    expect(await verify()).toMatchObject({ subject: 'alice' })
  })

  it('needs no token type where the configuration says so, nor when it is a typed JWT', async () => {
    asking.answer(asking.about({ token_type: undefined }))
    expect(await verify(await asking.issuer.sign())).toMatchObject({ subject: 'alice' })
    asking = await startAskingVerifiers({ tokenType: 'optional' })
    asking.answer(asking.about({ token_type: undefined }))
    expect(await verify()).toMatchObject({ subject: 'alice' })
  })
})

describe('a token that the issuer does not call active', () => {
  it('is invalid for active: false', async () => {
    expect(await verify()).toEqual(invalid('not active'))
  })

  it.each<[string, string]>([
    ['active as text', '{"active":"true"}'],
    ['active as a number', '{"active":1}'],
    ['active null', '{"active":null}'],
    ['active in another case', '{"Active":true}'],
    ['nothing', '{}'],
    ['an empty body', ''],
    ['HTML', '<html>true</html>'],
    ['a list', '[{"active":true}]'],
    ['active twice', '{"active":false,"active":true}'],
    ['true', 'true'],
  ])('is unavailable, not inactive, for %s', async (_, body) => {
    asking.answer({ body })
    expect(await verify()).toEqual(unavailable(''))
  })

  it.each([201, 204, 301, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503])(
    'is unavailable for status %i, whatever the body says',
    async status => {
      asking.answer({ status, body: JSON.stringify(asking.about()), headers: new Map([['location', '/x']]) })
      expect(await verify()).toEqual(unavailable(`status ${status}`))
      expect(asking.client.requests).toHaveLength(1)
    },
  )

  it('is unavailable when nobody answers, or credentials cannot be had', async () => {
    asking.answer(new HttpClientError('unreachable', new URL(introspectionEndpoint), 'ECONNREFUSED'))
    expect(await verify()).toEqual(unavailable('ECONNREFUSED'))
    const key = { id: 'orders', authentication: 'private_key_jwt', key: '/no/file' } as const
    asking = await startAskingVerifiers({ client: { ...key, assertionAudience: 'issuer' } })
    expect(await verify()).toEqual(unavailable('key'))
    expect(asking.client.requests).toEqual([])
  })

  it('is unavailable at once while the issuer has not been reached five times, and then asked for again', async () => {
    asking.answer(new HttpClientError('timeout', new URL(introspectionEndpoint), 'no answer'))
    for (let index = 0; index < 5; index++) await verify(`t${index}`)
    expect(await verify('t5')).toEqual(unavailable('for a while'))
    expect(asking.client.requests).toHaveLength(5)
    asking.clock.advanceMs(1_000)
    asking.answer(asking.about())
    expect(await verify('t6')).toMatchObject({ subject: 'alice' })
    expect(await verify('t7')).toMatchObject({ subject: 'alice' })
  })

  it.each<[string, FakeAnswer]>([
    ['500', { status: 500 }],
    ['429', { status: 429 }],
    ['garbage', { body: 'x' }],
    ['too much', new HttpClientError('too_large', new URL(introspectionEndpoint), 'too long')],
  ])('is not unavailable for others because the issuer answers %s to some tokens', async (_, answer) => {
    asking.answer(answer)
    for (let index = 0; index < 20; index++) await verify(`t${index}`)
    asking.answer(asking.about())
    expect(await verify()).toMatchObject({ subject: 'alice' })
  })

  it('hands on when to come again', async () => {
    asking.answer({ status: 503, headers: new Map([['retry-after', '7']]) })
    expect(await asking.verifiers.introspection.verify(opaque, asking.clock.now())).toMatchObject({
      error: { retryAfterSeconds: 7 },
    })
  })
})

describe('how long an answer is used', () => {
  it('is five seconds, counted from the question', async () => {
    asking.answer(async () => {
      asking.clock.advanceMs(1_000)
      return { body: JSON.stringify(asking.about()) }
    })
    const first = await verify()
    asking.clock.advanceMs(3_999)
    expect(await verify()).toBe(first)
    expect(asking.client.requests).toHaveLength(1)
    asking.answer({ body: '{"active":false}' })
    asking.clock.advanceMs(1)
    expect(await verify()).toEqual(invalid('not active'))
    expect(asking.client.requests).toHaveLength(2)
  })

  it('is never longer than the token lives', async () => {
    asking.answer(asking.about({ exp: asking.clock.now() + 2 }))
    expect(await verify()).toMatchObject({ subject: 'alice' })
    asking.clock.advanceMs(2_000)
    asking.answer({ body: '{"active":false}' })
    expect(await verify()).toEqual(invalid('not active'))
  })

  it('is shorter for a token that is not active, and by exactly its text', async () => {
    await verify()
    await verify()
    expect(asking.client.requests).toHaveLength(1)
    asking.answer(asking.about())
    for (const other of [opaque.slice(0, -1), `${opaque}x`])
      expect(await verify(other)).toMatchObject({ scope: {} })
    asking.clock.advanceMs(2_999)
    expect(await verify()).toEqual(invalid('not active'))
    asking.clock.advanceMs(1)
    expect(await verify()).toMatchObject({ subject: 'alice' })
  })

  it('is nothing when nobody could be asked', async () => {
    asking.answer({ status: 500 })
    await verify()
    asking.answer(asking.about())
    expect(await verify()).toMatchObject({ subject: 'alice' })
  })

  it('is nothing with 0s, but who asks at the same time shares the question', async () => {
    asking = await startAskingVerifiers({ cacheMs: 0, negativeMs: 0 })
    asking.answer(asking.about())
    await Promise.all([verify(), verify(), verify()])
    expect(asking.client.requests).toHaveLength(1)
    await verify()
    expect(asking.client.requests).toHaveLength(2)
  })

  it('ends with the time that one question may take, though nobody ever answers', async () => {
    asking = await startAskingVerifiers({ timeoutMs: 1 })
    asking.answer(() => new Promise<never>(() => {}))
    expect(await verify()).toEqual(unavailable('in time'))
  })

  it('is not shortened for the good by any number of made-up tokens', async () => {
    asking.answer(asking.about())
    await verify()
    asking.answer({ body: '{"active":false}' })
    for (let index = 0; index < 200; index++) await verify(`made-up-${index}`)
    const before = asking.client.requests.length
    expect(await verify()).toMatchObject({ subject: 'alice' })
    expect(asking.client.requests).toHaveLength(before)
  })
})

describe('whom to ask', () => {
  async function several(opaqueAt: 'a' | 'b' | undefined) {
    const [a, b] = await Promise.all(
      ['https://a.test', 'https://b.test'].map(issuer => createTestIssuer({ issuer })),
    )
    if (a === undefined || b === undefined) throw new Error('two issuers')
    const client = createFakeHttpClient(() => ({ body: '{"active":false}' }))
    const rules = (
      [
        ['a', a],
        ['b', b],
      ] as const
    ).map(([name, issuer]) => {
      const endpoint = new URL(`https://${name}.test/introspect`)
      return rulesFor(issuer, {
        introspection: anIntrospectionConfig({ endpoint, opaque: name === opaqueAt }),
      })
    })
    const strange = rulesFor(await createTestIssuer({ issuer: 'https://c.test' }))
    const { introspection } = createTokenVerifiers([...rules, strange], {
      client,
      log: silentLog,
      tokenBytes: 4096,
    })
    const verify = async (token: string) => introspection.verify(token, Date.now() / 1000)
    return { a, b, client, verify }
  }

  it('is the issuer that a JWT names, and no other', async () => {
    const { a, b, client, verify } = await several('a')
    await verify(await a.sign())
    await verify(await b.sign())
    expect(client.addresses).toEqual(['https://a.test/introspect', 'https://b.test/introspect'])
    for (const iss of ['https://c.test', 'https://d.test', undefined, ['https://a.test']]) {
      expect(await verify(await a.sign({ iss }))).toMatchObject({ error: { code: 'token.invalid' } })
    }
    expect(client.requests).toHaveLength(2)
  })

  it('is the one issuer for tokens that are no JWT, or nobody', async () => {
    const one = await several('b')
    await one.verify(opaque)
    expect(one.client.addresses).toEqual(['https://b.test/introspect'])
    const none = await several(undefined)
    expect(await none.verify(opaque)).toMatchObject({ error: { code: 'token.invalid' } })
    expect(none.client.requests).toEqual([])
  })

  it('is nobody about a JWT of another kind, a malformed one, or a token that is too long', async () => {
    const { a, client, verify } = await several('a')
    for (const token of [
      await a.sign({}, { typ: 'logout+jwt' }),
      await a.sign({ events: {} }),
      `${await a.sign()}=`,
      'x'.repeat(4097),
    ]) {
      expect(await verify(token)).toMatchObject({ error: { code: 'token.invalid' } })
    }
    expect(client.requests).toEqual([])
  })

  it("is found by the issuer's metadata, at the issuer's own origin", async () => {
    const issuer = await createTestIssuer({ issuer: 'https://login.test' })
    let endpoint = 'https://login.test/oauth/introspect'
    const client = createFakeHttpClient(({ url }) =>
      url.pathname.startsWith('/.well-known/')
        ? { body: JSON.stringify({ issuer: issuer.issuer, introspection_endpoint: endpoint }) }
        : { body: '{"active":false}' },
    )
    const start = () =>
      createTokenVerifiers(
        [rulesFor(issuer, { introspection: anIntrospectionConfig({ endpoint: undefined }) })],
        {
          client,
          log: silentLog,
          tokenBytes: 4096,
        },
      ).introspection
    expect(await start().verify(opaque, 1)).toMatchObject({ error: { code: 'token.invalid' } })
    expect(client.addresses.at(-1)).toBe(endpoint)
    endpoint = 'https://evil.test/introspect'
    expect(await start().verify(opaque, 1)).toMatchObject({
      error: { code: 'token.introspection_unavailable', detail: expect.stringContaining('origin') },
    })
    expect(client.addresses).not.toContain(endpoint)
  })
})
