import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHttpClient } from '../../src/base/http-client.ts'
import { Secret } from '../../src/base/secret.ts'
import type { Exchanged } from '../../src/model/issued-token.ts'
import type { Refusal } from '../../src/model/refusal.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { fetchServerMetadata, readTokenServer } from '../../src/tokens/server-metadata.ts'
import { permittedRequest } from '../support/exchange-request.ts'
import { startExchangeStage, type TestExchangeStage } from '../support/exchange-stage.ts'
import { createTestIssuer } from '../support/tokens.ts'
import { until } from '../support/until.ts'

/**
 * An authorization server that answers oddly: because it is misconfigured, because it was taken over, or because what
 * it promises and what it does differ. Whatever it says, nothing is forwarded that is not exactly what was asked for,
 * nothing bad is kept, and the caller's own token is never the way out.
 */

let stage: TestExchangeStage
beforeEach(async () => {
  stage = await startExchangeStage()
})
afterEach(() => stage.close())

const now = () => Math.floor(Date.now() / 1000)

async function exchange(request = permittedRequest()): Promise<{ granted?: Exchanged; refused?: Refusal }> {
  const result = await stage.exchange(request)
  return result.ok ? { granted: result.value } : { refused: result.error }
}

/** Expects a refusal that stays one: nothing was kept, the server is asked again. */
async function expectRefused(code: Refusal['code'], request = permittedRequest()): Promise<Refusal> {
  const before = stage.server.tokenRequests.length
  for (const _attempt of [1, 2]) expect((await exchange(request)).refused?.code).toBe(code)
  expect(stage.server.tokenRequests.length).toBe(before + 2)
  return (await exchange(request)).refused as Refusal
}

type Changes = Parameters<TestExchangeStage['server']['onTokenIssue']>[0]

describe('the positive twin', () => {
  it('takes what a well-behaved server issues, and asks for exactly what was permitted', async () => {
    const request = permittedRequest({ resource: 'https://orders.test/api' })
    const { granted } = await exchange(request)
    expect(granted?.source).toBe('issued')
    expect(granted?.token).toMatchObject({
      audience: 'orders-api',
      actors: ['orders'],
      issuedTokenType: tokenType.accessToken,
      scope: ['orders:read'],
    })
    expect(stage.exchange(request)).toMatchObject({ ok: true, value: { source: 'memory' } })
    expect(Object.fromEntries(stage.server.tokenRequests[0]?.form ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'header.payload.signature',
      subject_token_type: tokenType.accessToken,
      audience: 'orders-api',
      resource: 'https://orders.test/api',
      scope: 'orders:read',
      requested_token_type: tokenType.accessToken,
    })
  })

  it.each<[string, Changes]>([
    ['token_type in lower case', { response: { token_type: 'bearer' } }],
    ['members that nobody knows', { response: { not_before_policy: 0, refresh_token: 'x' } }],
    ['an audience list of one', { claims: { aud: ['orders-api'] } }],
    ['typ JWT', { header: { typ: 'JWT' } }],
    ['no typ', { header: { typ: undefined } }],
    ['scp instead of scope', { claims: { scope: undefined, scp: ['orders:read'] } }],
    [
      'no scope claim and the scope in the answer',
      { claims: { scope: undefined }, response: { scope: 'orders:read' } },
    ],
    ['no scope anywhere', { claims: { scope: undefined } }],
    ['no jti', { claims: { jti: undefined } }],
    ['iat a few seconds ahead', { claims: { iat: now() + 5 } }],
  ])('takes %s', async (_what, changes) => {
    stage.server.onTokenIssue(changes)
    expect((await exchange()).refused).toBeUndefined()
  })

  it('takes an access token where a JWT was asked for', async () => {
    stage.server.onTokenIssue({ response: { issued_token_type: tokenType.accessToken } })
    expect((await exchange(permittedRequest({ requestedTokenType: tokenType.jwt }))).refused).toBeUndefined()
  })
})

describe('F01 audience confusion', () => {
  it.each<[string, unknown]>([
    ['another service', 'billing-api'],
    ['ourselves', 'orders'],
    ['the service and another', ['orders-api', 'billing-api']],
    ['nobody', undefined],
    ['an empty list', []],
    ['another case', 'Orders-api'],
    ['a slash more', 'orders-api/'],
    ['two names in one text', 'orders-api billing-api'],
  ])('refuses a token for %s', async (_who, aud) => {
    stage.server.onTokenIssue({ claims: { aud } })
    await expectRefused('exchange.contract')
  })
})

describe('F02 subject swap', () => {
  it.each([['bob'], [undefined], ['Alice'], [''], [['alice']]])(
    'refuses a token of subject %j',
    async sub => {
      stage.server.onTokenIssue({ claims: { sub } })
      await expectRefused('exchange.contract')
    },
  )
})

describe('F03 scope inflation', () => {
  it.each<[string, Changes]>([
    ['in the token', { claims: { scope: 'orders:read orders:refund' } }],
    ['in the answer', { response: { scope: 'orders:read admin' } }],
    ['in the answer alone', { claims: { scope: undefined }, response: { scope: 'orders:read admin' } }],
    ['in scp', { claims: { scope: undefined, scp: ['orders:read', 'admin'] } }],
    ['in scp beside a harmless scope', { claims: { scp: 'orders:read admin' } }],
    ['in another case', { claims: { scope: 'orders:read ORDERS:READ' } }],
    ['in a text that is no scope', { claims: { scope: 'orders:read\tadmin' } }],
  ])('refuses more scope than was asked for, %s', async (_where, changes) => {
    stage.server.onTokenIssue(changes)
    await expectRefused('exchange.contract')
  })

  it('refuses any scope where none was asked for', async () => {
    stage.server.onTokenIssue({ claims: { scope: 'profile' } })
    await expectRefused('exchange.contract', permittedRequest({ scope: scopeSet([]) }))
    expect(stage.server.tokenRequests[0]?.form.has('scope')).toBe(false)
  })
})

describe('F04 scope too narrow', () => {
  it.each<[string, Changes]>([
    ['the token', { claims: { scope: '' } }],
    ['the answer', { claims: { scope: undefined }, response: { scope: '' } }],
  ])(
    'tells the caller which scope is missing when %s lacks what the route requires',
    async (_what, changes) => {
      stage.server.onTokenIssue(changes)
      expect(await expectRefused('policy.scope_missing')).toMatchObject({ scope: ['orders:read'] })
    },
  )

  it('goes on without a scope that was optional', async () => {
    stage.server.onTokenIssue({ claims: { scope: 'orders:read' } })
    const request = permittedRequest(
      { optionalScope: scopeSet(['orders:list']) },
      { scope: scopeSet(['orders:read', 'orders:list']) },
    )
    expect((await exchange(request)).granted?.token.scope).toEqual(['orders:read'])
  })
})

describe('F05 a token that is none, or not for this', () => {
  it.each<[string, Changes]>([
    ['of another issuer', { claims: { iss: 'https://evil.test' } }],
    ['of the issuer with a slash', { claims: { iss: 'http://127.0.0.1/' } }],
    ['that has ended', { claims: { exp: now() - 1 } }],
    ['without exp', { claims: { exp: undefined } }],
    ['with a textual exp', { claims: { exp: String(now() + 300) } }],
    ['from the future (nbf)', { claims: { nbf: now() + 120 } }],
    ['from the future (iat)', { claims: { iat: now() + 120 } }],
    ['that ends before it starts', { claims: { iat: now(), exp: now() - 5 } }],
    ['that is an ID token', { header: { typ: 'JWT' }, claims: { nonce: 'n' } }],
    ['that is an ID token by Keycloak’s claim', { header: { typ: 'JWT' }, claims: { typ: 'ID' } }],
    ['that is a logout token', { header: { typ: 'logout+jwt' } }],
    ['that is a transaction token', { header: { typ: 'txntoken+jwt' } }],
    ['that is bound to a key', { claims: { cnf: { jkt: 'x' } } }],
    ['with crit', { header: { crit: ['exp'] } }],
    ['with a kid of nobody', { header: { kid: 'other' } }],
    ['token_type N_A', { response: { token_type: 'N_A' } }],
    ['token_type DPoP', { response: { token_type: 'DPoP' } }],
    ['issued_token_type of an ID token', { response: { issued_token_type: tokenType.idToken } }],
    ['issued_token_type of a refresh token', { response: { issued_token_type: tokenType.refreshToken } }],
    [
      'issued_token_type jwt where an access token was asked for',
      { response: { issued_token_type: tokenType.jwt } },
    ],
    ['no issued_token_type', { response: { issued_token_type: undefined } }],
  ])('refuses a token %s', async (_what, changes) => {
    stage.server.onTokenIssue(changes)
    await expectRefused('exchange.contract')
  })

  it('refuses a token that somebody else signed under the server’s kid', async () => {
    stage.server.onTokenIssue({ signer: await createTestIssuer({ issuer: stage.server.issuer }) })
    await expectRefused('exchange.contract')
  })

  it('refuses alg none, and an alg that is not allowed though the key would fit', async () => {
    const claims = {
      ...stage.server.claimsFor(new URLSearchParams({ audience: 'orders-api' })),
      iss: stage.server.issuer,
    }
    const payload = JSON.stringify({ ...claims, scope: 'orders:read', exp: now() + 300 })
    for (const alg of ['none', 'HS256', 'ES384']) {
      const token = stage.server.signer.signRaw(JSON.stringify({ alg, kid: 'k1', typ: 'at+jwt' }), payload)
      stage.server.onTokenIssue({ response: { access_token: token } })
      await expectRefused('exchange.contract')
    }
    stage.server.onTokenIssue({
      response: {
        access_token: stage.server.signer.signRaw('{"alg":"ES256","kid":"k1","typ":"at+jwt"}', payload),
      },
    })
    expect((await exchange()).refused).toBeUndefined()
  })
})

describe('F06 no exchange at all', () => {
  it('refuses the subject token as an answer, however it is spelled', async () => {
    const token = await stage.server.signer.sign({
      ...stage.server.claimsFor(new URLSearchParams({ audience: 'orders-api', scope: 'orders:read' })),
    })
    stage.server.onTokenIssue({ response: { access_token: token } })
    const own = permittedRequest({}, { presented: new Secret(token), fingerprint: 'x' })
    expect((await expectRefused('exchange.contract', own)).detail).toBe('the token is the subject token')
    const { createHash } = await import('node:crypto')
    const fingerprint = createHash('sha256')
      .update(token.slice(0, token.lastIndexOf('.')))
      .digest('base64url')
    const respelled = permittedRequest({}, { presented: new Secret(`${token}=`), fingerprint })
    expect((await expectRefused('exchange.contract', respelled)).detail).toContain('another spelling')
    expect((await exchange()).refused).toBeUndefined()
  })
})

describe('F07 a token that breaks the header', () => {
  it.each([
    'a b',
    'a.b.c\r\nX-Admin: 1',
    'a.b.c\n',
    'tökén',
    '"a.b.c"',
    'a,b',
    '\u0000',
    ' a.b.c',
    'opaque-but-b64token',
    'x'.repeat(20_000),
  ])('refuses %j', async token => {
    stage.server.onTokenIssue({ response: { access_token: token } })
    await expectRefused('exchange.contract')
  })
})

describe('F08 lives that are none', () => {
  it.each([-1, 0, 'soon', null, true, []])('refuses expires_in %j', async expires_in => {
    stage.server.onTokenIssue({ response: { expires_in } })
    await expectRefused('exchange.contract')
  })

  it.each<[string, Changes, number]>([
    ['expires_in', { response: { expires_in: 100 } }, 90],
    ['expires_in in digits', { response: { expires_in: '100' } }, 90],
    ['exp, whatever expires_in says', { response: { expires_in: 1e12 }, claims: { exp: now() + 100 } }, 90],
    ['exp, without expires_in', { response: { expires_in: undefined }, claims: { exp: now() + 100 } }, 90],
  ])('uses a token no longer than %s', async (_what, changes, seconds) => {
    stage.server.onTokenIssue(changes)
    const expiresAt = (await exchange()).granted?.token.expiresAt ?? 0
    expect(expiresAt - Date.now() / 1000).toBeLessThanOrEqual(seconds)
    expect(expiresAt - Date.now() / 1000).toBeGreaterThan(seconds - 12)
  })

  it('uses a token no longer than the subject token lives', async () => {
    const expiresAt = (await exchange(permittedRequest({}, { expiresAt: now() + 60 }))).granted?.token
      .expiresAt
    expect(expiresAt).toBeLessThanOrEqual(now() + 51)
  })
})

describe('F09 the chain of actors', () => {
  const before = { actor: { subject: 'gate', actor: { subject: 'shop' } } }
  it.each<[string, unknown]>([
    ['is missing', undefined],
    ['names another actor', { sub: 'billing', act: { sub: 'gate', act: { sub: 'shop' } } }],
    ['lost the actor before', { sub: 'orders', act: { sub: 'shop' } }],
    ['lost the first actor', { sub: 'orders', act: { sub: 'gate' } }],
    ['is this client alone', { sub: 'orders' }],
    ['is unchanged', { sub: 'gate', act: { sub: 'shop' } }],
    [
      'has an actor that was never there',
      { sub: 'orders', act: { sub: 'gate', act: { sub: 'shop', act: { sub: 'x' } } } },
    ],
    ['is in another order', { sub: 'orders', act: { sub: 'shop', act: { sub: 'gate' } } }],
    ['is malformed', 'orders'],
  ])('refuses a token whose act %s', async (_what, act) => {
    stage.server.onTokenIssue({ claims: { act } })
    await expectRefused('exchange.contract', permittedRequest({}, before))
  })

  it('takes this client in front of the actors before', async () => {
    stage.server.onTokenIssue({
      claims: { act: { sub: 'orders', act: { sub: 'gate', act: { sub: 'shop' } } } },
    })
    expect((await exchange(permittedRequest({}, before))).granted?.token.actors).toEqual([
      'orders',
      'gate',
      'shop',
    ])
  })

  it('takes a chain in which this client, who was the current actor already, is not repeated', async () => {
    stage.server.onTokenIssue({ claims: { act: { sub: 'orders', act: { sub: 'shop' } } } })
    const request = permittedRequest({}, { actor: { subject: 'orders', actor: { subject: 'shop' } } })
    expect((await exchange(request)).granted?.token.actors).toEqual(['orders', 'shop'])
  })

  it('takes a token without act where the configuration allows that, but not one that lost an actor', async () => {
    const lax = await startExchangeStage({ actor: 'optional' })
    try {
      lax.server.onTokenIssue({ claims: { act: undefined } })
      expect(await lax.exchange(permittedRequest())).toMatchObject({ ok: true })
      expect(await lax.exchange(permittedRequest({}, before))).toMatchObject({
        error: { code: 'exchange.contract' },
      })
      lax.server.onTokenIssue({ claims: { act: { sub: 'evil' } } })
      expect(await lax.exchange(permittedRequest({}, { subject: 'alice', tokenId: '2' }))).toMatchObject({
        error: { code: 'exchange.contract' },
      })
    } finally {
      await lax.close()
    }
  })
})

describe('F10 redirects', () => {
  it.each([301, 302, 303, 307, 308])(
    'does not follow a %i with the caller’s token and our secret',
    async status => {
      const elsewhere = await startExchangeStage()
      try {
        const location = `${elsewhere.server.issuer}/token`
        for (const target of [location, '/elsewhere']) {
          stage.server.onToken(() => ({ status, headers: { location: target } }))
          await expectRefused('exchange.malformed')
        }
        expect(elsewhere.server.paths).toEqual([])
        expect(stage.server.paths).not.toContain('/elsewhere')
      } finally {
        await elsewhere.close()
      }
    },
  )
})

describe('F11 and F12 metadata', () => {
  it.each<[string, (issuer: string) => unknown]>([
    [
      'of another issuer',
      issuer => ({ issuer: `${issuer}/`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` }),
    ],
    [
      'with a token endpoint elsewhere',
      issuer => ({ issuer, token_endpoint: 'https://evil.test/token', jwks_uri: `${issuer}/jwks` }),
    ],
    [
      'with user information',
      issuer => ({
        issuer,
        token_endpoint: `${issuer.replace('//', '//u@')}/token`,
        jwks_uri: `${issuer}/jwks`,
      }),
    ],
    [
      'with keys elsewhere',
      issuer => ({ issuer, token_endpoint: `${issuer}/token`, jwks_uri: 'https://evil.test/jwks' }),
    ],
    ['that is HTML', () => '<html>'],
    ['that is too large', issuer => ({ issuer, x: 'x'.repeat(600_000) })],
  ])('sends nothing on the word of metadata %s', async (_what, document) => {
    stage.server.onOther(path =>
      path.includes('.well-known') ? { body: document(stage.server.issuer) } : undefined,
    )
    expect((await exchange()).refused).toMatchObject({ code: 'exchange.unavailable' })
    expect(stage.server.tokenRequests).toEqual([])
  })

  it('does not follow a redirect of the metadata', async () => {
    stage.server.onOther(path =>
      path.includes('.well-known') ? { status: 302, headers: { location: '/other' } } : undefined,
    )
    expect((await exchange()).refused).toMatchObject({ code: 'exchange.unavailable' })
    expect(stage.server.paths).not.toContain('/other')
  })

  it('refuses plain http elsewhere than on loopback before anything is sent', async () => {
    const client = createHttpClient()
    const found = await fetchServerMetadata('http://hub.example.com', readTokenServer, {
      client,
      plaintext: false,
      timeoutMs: 1000,
    })
    await client.close()
    expect(found.ok).toBe(false)
  })

  it('fetches it once for everybody, and remembers it', async () => {
    await Promise.all(['a', 'b', 'c'].map(subject => exchange(permittedRequest({}, { subject }))))
    const fetched = stage.server.paths.filter(path => path.includes('.well-known'))
    // Once for the endpoint, once for the keys.
    expect(fetched.length).toBe(2)
  })
})

describe('F15 a server that does not come to an end', () => {
  beforeEach(async () => {
    await stage.close()
    stage = await startExchangeStage({ timeoutMs: 300 })
    // The first exchange fetches metadata and keys.
    await exchange(permittedRequest({}, { subject: 'warm-up', tokenId: 'w' }))
  })

  it.each<[string, Parameters<TestExchangeStage['server']['onToken']>[0]]>([
    ['says nothing', () => () => {}],
    [
      'sends one byte at a time',
      () => response => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(timer))
      },
    ],
    [
      'breaks off',
      () => response => {
        response.writeHead(200, { 'content-length': '500' })
        response.write('{"access_token"')
        setTimeout(() => response.destroy(), 10)
      },
    ],
    ['resets', () => response => void response.socket?.resetAndDestroy()],
  ])('is given up in time when it %s', async (_what, script) => {
    stage.server.onToken(script)
    const started = performance.now()
    expect((await exchange()).refused).toMatchObject({ code: 'exchange.unavailable' })
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it.each<[string, Parameters<TestExchangeStage['server']['onToken']>[0]]>([
    [
      'a body without end',
      () => response => {
        response.writeHead(200)
        const more = () => {
          while (response.writable && response.write('x'.repeat(65_536))) {}
        }
        response.on('drain', more)
        more()
      },
    ],
    ['a body of 1 MB', () => ({ body: `{"x":"${'x'.repeat(1_000_000)}"}` })],
    ['a content coding', () => ({ headers: { 'content-encoding': 'gzip' }, body: 'x' })],
    [
      'six content codings',
      () => ({ headers: { 'content-encoding': 'gzip, gzip, gzip, gzip, gzip, gzip' }, body: 'x' }),
    ],
    ['half an object', () => ({ body: '{"access_token":"a.b.c"' })],
    ['an object of 100,000 levels', () => ({ body: '{"a":'.repeat(100_000) })],
    [
      'a member twice',
      () => ({ body: '{"access_token":"a.b.c","access_token":"d.e.f","token_type":"Bearer"}' }),
    ],
    ['HTML', () => ({ headers: { 'content-type': 'text/html' }, body: '<html></html>' })],
    ['nothing', () => ({ status: 204 })],
  ])('is malformed when it sends %s', async (_what, script) => {
    stage.server.onToken(script)
    expect((await exchange()).refused).toMatchObject({ code: 'exchange.malformed' })
  })

  it('is left alone after five failures, and tried again after a pause', async () => {
    await stage.close()
    stage = await startExchangeStage({ timeoutMs: 2000 }, { breaker: { failures: 5, openMs: 1_000 } })
    stage.server.onToken(() => ({ status: 500 }))
    for (let index = 0; index < 8; index++) {
      const { refused } = await exchange()
      expect(refused?.code).toBe('exchange.unavailable')
      expect(refused?.retryAfterSeconds).toBe(index < 5 ? undefined : 1)
    }
    expect(stage.server.tokenRequests.length).toBe(5)
    stage.server.onTokenIssue({})
    await until(async () => (await exchange()).refused === undefined, 'it is tried again')
  })

  it('does not count refusals as failures: one caller cannot close the way for all', async () => {
    await stage.close()
    stage = await startExchangeStage({ negativeSeconds: 0 })
    stage.server.onToken(() => ({ status: 400, body: { error: 'invalid_grant' } }))
    for (let index = 0; index < 20; index++) await exchange()
    expect(stage.server.tokenRequests.length).toBe(20)
  })
})

describe('F15 a server that is not there', () => {
  it('is unavailable, by its port or by a port that accepts and hangs', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    const port = typeof address === 'object' ? address?.port : undefined
    for (const server of ['http://127.0.0.1:1', `http://127.0.0.1:${port}`]) {
      const lost = await startExchangeStage({ server, timeoutMs: 200 })
      expect(await lost.exchange(permittedRequest())).toMatchObject({
        error: { code: 'exchange.unavailable' },
      })
      await lost.close()
    }
    silent.close()
  })
})

describe('F16 being told to wait', () => {
  it.each([
    ['99999999', 60],
    ['3', 3],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 1],
    ['whenever', undefined],
  ])('bounds Retry-After %j to %s', async (value, seconds) => {
    stage.server.onToken(() => ({ status: 429, headers: { 'retry-after': value } }))
    const { refused } = await exchange()
    expect(refused?.code).toBe('exchange.unavailable')
    expect(refused?.retryAfterSeconds).toBe(seconds)
  })
})

describe('F17 a storm', () => {
  it('is one exchange for 1,000 callers of one key, and a failing leader hurts nobody else', async () => {
    const release = Promise.withResolvers<void>()
    stage.server.onToken(async ({ form }) => {
      await release.promise
      return form.get('subject_token') === 'bad.token.x'
        ? { status: 500 }
        : { status: 400, body: { error: 'invalid_target' } }
    })
    const bad = Array.from({ length: 1000 }, () =>
      exchange(permittedRequest({}, { presented: new Secret('bad.token.x') })),
    )
    const other = exchange(permittedRequest({}, { subject: 'bob' }))
    release.resolve()
    for (const { refused } of await Promise.all(bad)) expect(refused?.code).toBe('exchange.unavailable')
    expect((await other).refused?.code).toBe('exchange.denied')
    expect(stage.server.tokenRequests.length).toBe(2)
  })
})

describe('F18 to F20 refusals', () => {
  it.each([
    [401, { error: 'invalid_client' }, 'exchange.client_rejected'],
    [400, { error: 'invalid_client', error_description: 'Audience not found' }, 'exchange.denied'],
    [403, { error: 'access_denied' }, 'exchange.denied'],
    [400, { error: 'invalid_grant' }, 'exchange.subject_rejected'],
    [400, { error: 'interaction_required', claims: '{"a":"\r\n"}' }, 'exchange.interaction_required'],
  ])('answers %i %j with %s', async (status, body, code) => {
    stage.server.onToken(() => ({ status, body }))
    expect((await exchange()).refused?.code).toBe(code)
  })

  it('does not let text of the server break the log, and shows no token of it', async () => {
    const jwt = await stage.server.signer.sign()
    stage.server.onToken(({ form }) => ({
      status: 400,
      body: {
        error: 'invalid_target',
        error_description: `\r\n\u001b[2J<script>${form.get('subject_token')} ${jwt}`,
      },
    }))
    const { refused } = await exchange()
    expect(refused?.detail).toMatch(/^[\x20-\x7e]{1,300}$/)
    expect(refused?.detail).not.toContain(jwt.slice(0, 40))
  })
})

describe('F21 and F24 what is sent and what is said', () => {
  it('encodes whatever a route or token holds, so that it adds no parameter', async () => {
    stage.server.onToken(() => ({ status: 400, body: { error: 'invalid_target' } }))
    const audience = 'a&client_id=x&scope=admin\r\n\u0000'
    await exchange(permittedRequest({ audience }))
    const form = stage.server.tokenRequests[0]?.form
    expect(form?.get('audience')).toBe(audience)
    expect([...(form?.keys() ?? [])].sort()).toEqual([
      'audience',
      'grant_type',
      'requested_token_type',
      'scope',
      'subject_token',
      'subject_token_type',
    ])
  })

  it('sends no actor token, and our secret only in its header', async () => {
    await exchange()
    const request = stage.server.tokenRequests[0]
    expect(request?.headers.authorization).toBe(`Basic ${btoa('orders:secret-canary')}`)
    expect(request?.form.toString()).not.toMatch(/actor_token|secret-canary/)
  })

  it('writes no token and no secret into the log or a refusal, whatever happens', async () => {
    const said: unknown[] = []
    for (const script of [
      () => ({ status: 500 }),
      () => ({ body: 'secret-canary' }),
      () => ({ status: 400, body: { error: 'header.payload.signature' } }),
    ]) {
      stage.server.onToken(script)
      said.push((await exchange()).refused)
    }
    stage.server.onTokenIssue({ claims: { aud: 'other' } })
    said.push((await exchange()).refused)
    const text = JSON.stringify([said, stage.log])
    expect(text).not.toContain('secret-canary')
    expect(text).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/)
  })
})
