import { createPublicKey, verify, type webcrypto } from 'node:crypto'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type LoginProvider, startLoginProvider } from '../../src/assemble/demo/login-provider.ts'

let provider: LoginProvider
const said = ['log', 'info', 'warn', 'error'] as const
const spies = said.map(name => vi.spyOn(console, name).mockImplementation(() => {}))

beforeAll(async () => {
  provider = await startLoginProvider({ accessTokenTtlSeconds: 90 })
})
afterAll(() => provider.close())

async function fetchJson(path: string): Promise<Record<string, unknown>> {
  return (await fetch(new URL(path, provider.issuer))).json() as Promise<Record<string, unknown>>
}

function decode(token: string, part: 0 | 1): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString())
}

it('issues an RFC 9068 access token for the web client after a login with PKCE', async () => {
  const token = (await provider.logIn({ user: 'alice', scope: 'shop:read orders:read' })).expose()
  expect(decode(token, 0)).toMatchObject({ typ: 'at+jwt', alg: 'RS256' })
  const claims = decode(token, 1)
  expect(claims).toMatchObject({
    iss: provider.issuer,
    sub: 'alice',
    aud: 'shop-web',
    client_id: 'shop-web',
    scope: 'shop:read orders:read',
    jti: expect.any(String),
  })
  expect(Number(claims['exp']) - Number(claims['iat'])).toBe(90)
})

it('publishes the key that the token is signed with', async () => {
  const token = (await provider.logIn({ user: 'bob', scope: 'shop:read' })).expose()
  const { jwks_uri: uri } = await fetchJson('/.well-known/openid-configuration')
  const { keys } = (await fetchJson(String(uri))) as { keys: (webcrypto.JsonWebKey & { kid: string })[] }
  const jwk = keys.find(key => key.kid === decode(token, 0)['kid'])
  expect(jwk).toBeDefined()
  const [header, payload, signature = ''] = token.split('.')
  const key = createPublicKey({ key: jwk ?? {}, format: 'jwk' })
  expect(
    verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')),
  ).toBe(true)
  expect(jwk).not.toHaveProperty('d')
})

it('gives every login a token of its own', async () => {
  const login = { user: 'alice', scope: 'shop:read' }
  const tokens = await Promise.all([provider.logIn(login), provider.logIn(login), provider.logIn(login)])
  expect(new Set(tokens.map(token => decode(token.expose(), 1)['jti'])).size).toBe(3)
})

it('lets nobody in whom it does not know', async () => {
  await expect(provider.logIn({ user: 'mallory', scope: 'shop:read' })).rejects.toThrow(
    'does not let mallory in',
  )
})

it('grants no scope that the shop does not have', async () => {
  const token = await provider.logIn({ user: 'alice', scope: 'shop:read admin' })
  expect(decode(token.expose(), 1)['scope']).toBe('shop:read')
})

it('takes a code only with its verifier', async () => {
  const answer = await fetch(
    new URL('/auth?client_id=shop-web&response_type=code&scope=shop:read', provider.issuer),
    {
      redirect: 'manual',
    },
  )
  expect(new URL(answer.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_request')
})

it('shows an error page for a login that was not begun', async () => {
  expect((await fetch(new URL('/interaction/none', provider.issuer))).status).toBe(400)
})

it('closes its port', async () => {
  const other = await startLoginProvider()
  await other.close()
  await expect(fetch(other.issuer)).rejects.toThrow()
})

it('writes nothing to the console', () => {
  for (const spy of spies) expect(spy).not.toHaveBeenCalled()
})
