import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { ClientAuthenticationError, type TokenServer } from '../../../src/tokens/client-authentication.ts'
import { createClientAuthentication } from '../../../src/tokens/client-authentication-methods.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createTempFolder } from '../../support/temp-folder.ts'
import { encode } from '../../support/tokens.ts'

const server: TokenServer = {
  issuer: 'https://hub.test/realm',
  tokenEndpoint: new URL('https://hub.test/realm/token'),
}
const clock = createFakeClock(1_800_000_000.75)

describe('client_secret_basic', () => {
  const headerOf = (id: string, secret: string) => {
    const headers: Record<string, string> = {}
    const form = new URLSearchParams()
    createClientAuthentication(
      { id, authentication: 'client_secret_basic', secret: new Secret(secret) },
      clock,
    )(form, headers, server)
    expect([...form]).toEqual([])
    return headers['authorization'] ?? ''
  }

  it('encodes both halves as a form before it joins them (RFC 6749 §2.3.1, attack F22)', () => {
    const [scheme, encoded] = headerOf('or:ders', ':%+ é&=').split(' ')
    expect(scheme).toBe('Basic')
    expect(Buffer.from(encoded ?? '', 'base64').toString()).toBe('or%3Aders:%3A%25%2B+%C3%A9%26%3D')
  })

  it('can be taken apart again by the rule of the RFC, whatever is in it', () => {
    for (const text of [':%+ é', 'a:b', '100%', '\u{1f511}', "~!*'()", ' ']) {
      const pair = Buffer.from(headerOf(text, text).slice(6), 'base64').toString('utf8')
      const halves = pair.split(':').map(half => new URLSearchParams(`x=${half}`).get('x'))
      expect(halves).toEqual([text, text])
    }
  })

  it('leaves plain texts as they are', () => {
    expect(headerOf('orders', 'Abc-123_x.y')).toBe(`Basic ${btoa('orders:Abc-123_x.y')}`)
  })
})

describe('client_secret_post', () => {
  it('puts both into the form and nothing into the headers', () => {
    const form = new URLSearchParams({ grant_type: 'x' })
    const headers = {}
    const secret = new Secret('s&client_id=evil')
    createClientAuthentication({ id: 'orders', authentication: 'client_secret_post', secret }, clock)(
      form,
      headers,
      server,
    )
    expect(Object.fromEntries(form)).toEqual({
      grant_type: 'x',
      client_id: 'orders',
      client_secret: 's&client_id=evil',
    })
    expect(headers).toEqual({})
  })
})

describe('private_key_jwt', () => {
  let folder: string
  let file: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hopgate-test-'))
    file = join(folder, 'client.jwk')
  })
  afterAll(() => rm(folder, { recursive: true }))

  const makeKey = async (alg: string, more: object = { kid: 'c1' }) => {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    await writeFile(file, JSON.stringify({ ...(await exportJWK(privateKey)), alg, ...more }))
    return publicKey
  }
  const authenticate = (assertionAudience: 'issuer' | 'token_endpoint' = 'issuer') =>
    createClientAuthentication(
      { id: 'orders', authentication: 'private_key_jwt', key: file, assertionAudience },
      clock,
    )
  const assertionOf = async (method = authenticate()) => {
    const form = new URLSearchParams()
    const headers = {}
    await method(form, headers, server)
    expect(headers).toEqual({})
    expect(form.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    expect(form.get('client_id')).toBe('orders')
    return form.get('client_assertion') ?? ''
  }

  it.each(['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'])('signs with %s', async alg => {
    const publicKey = await makeKey(alg)
    await jwtVerify(await assertionOf(), publicKey, {
      algorithms: [alg],
      currentDate: new Date(clock.now() * 1000),
    })
  })

  it('says exactly what RFC 10070 asks for', async () => {
    const publicKey = await makeKey('ES256')
    const { payload, protectedHeader } = await jwtVerify(await assertionOf(), publicKey, {
      currentDate: new Date(clock.now() * 1000),
    })
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'client-authentication+jwt', kid: 'c1' })
    expect(payload).toEqual({
      iss: 'orders',
      sub: 'orders',
      aud: 'https://hub.test/realm',
      iat: 1_800_000_000,
      exp: 1_800_000_060,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  it('addresses the token endpoint only for servers that are configured to lag behind', async () => {
    await makeKey('ES256')
    const payload = (await assertionOf(authenticate('token_endpoint'))).split('.')[1] ?? ''
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString()).aud).toBe('https://hub.test/realm/token')
  })

  it('never uses an identifier twice', async () => {
    await makeKey('ES256')
    const method = authenticate()
    const assertions = await Promise.all(Array.from({ length: 20 }, () => assertionOf(method)))
    const ids = assertions.map(
      text => JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()).jti,
    )
    expect(new Set(ids).size).toBe(20)
  })

  it('takes up a key that was rotated, in place or by renaming', async () => {
    await makeKey('ES256')
    const method = authenticate()
    await assertionOf(method)
    for (const renamed of [false, true]) {
      const publicKey = await makeKey('ES256', { kid: `rotated-${renamed}` })
      if (renamed) await rename(file, `${file}.new`).then(() => rename(`${file}.new`, file))
      await jwtVerify(await assertionOf(method), publicKey, { currentDate: new Date(clock.now() * 1000) })
    }
  })

  it('stops when the key is taken away, and goes on when it is back', async () => {
    await makeKey('ES256')
    const method = authenticate()
    await assertionOf(method)
    await rename(file, `${file}.away`)
    await expect(assertionOf(method)).rejects.toThrow(ClientAuthenticationError)
    await expect(assertionOf(method)).rejects.toThrow(/client\.jwk: ENOENT/)
    await rename(`${file}.away`, file)
    await assertionOf(method)
  })

  const isRoot = process.getuid?.() === 0
  it.skipIf(isRoot)(
    `names a file that it may not read${isRoot ? ' (skipped: root may read all)' : ''}`,
    async () => {
      await makeKey('ES256')
      await chmod(file, 0)
      await expect(assertionOf()).rejects.toThrow(/client\.jwk: EACCES/)
      await chmod(file, 0o600)
    },
  )

  it('names a folder in the place of the file', async () => {
    const method = createClientAuthentication(
      { id: 'o', authentication: 'private_key_jwt', key: folder, assertionAudience: 'issuer' },
      clock,
    )
    await expect(assertionOf(method)).rejects.toThrow(ClientAuthenticationError)
  })

  it.each<[string, (jwk: Record<string, unknown>) => unknown, RegExp]>([
    ['half a file', jwk => JSON.stringify(jwk).slice(0, 60), /does not hold one JSON Web Key/],
    ['a key set', jwk => ({ keys: [jwk] }), /not the private half/],
    ['a public key', ({ d: _d, ...jwk }) => jwk, /not the private half/],
    ['a shared secret', () => ({ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256', d: 'x' }), /not the private half/],
    ['no alg', ({ alg: _alg, ...jwk }) => jwk, /no alg/],
    ['alg none', jwk => ({ ...jwk, alg: 'none' }), /no alg/],
    ['a symmetric alg', jwk => ({ ...jwk, alg: 'HS256' }), /no alg/],
    ['an alg of another key type', jwk => ({ ...jwk, alg: 'RS256' }), /does not fit its alg/],
    ['an encryption key', jwk => ({ ...jwk, use: 'enc' }), /not meant for signatures/],
    ['a kid that is no text', jwk => ({ ...jwk, kid: 7 }), /kid/],
    ['a broken key', jwk => ({ ...jwk, d: 'canary!' }), /does not fit|does not sign/],
  ])('refuses %s, and quotes nothing of it', async (_what, change, reason) => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(privateKey)), alg: 'ES256' }
    const content = change(jwk)
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
    const failure = await assertionOf().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ClientAuthenticationError)
    expect(String(failure)).toMatch(reason)
    expect(String(failure)).not.toContain(String(jwk.d))
    expect(String(failure)).not.toContain('canary')
    expect((failure as Error).cause).toBeUndefined()
  })

  it('refuses a file that is far too large', async () => {
    await writeFile(file, ' '.repeat(100_000))
    await expect(assertionOf()).rejects.toThrow(/larger than/)
  })
})

describe.each([
  ['kubernetes', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
  ['spiffe_jwt', 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'],
] as const)('%s', (authentication, type) => {
  const folder = () => createTempFolder()
  const tokenOf = (claims: object) => `${encode('{"alg":"ES256"}')}.${encode(JSON.stringify(claims))}.AA`
  const good = tokenOf({ sub: 'one', exp: clock.now() + 60 })

  async function authenticate(token: string) {
    const form = new URLSearchParams({ grant_type: 'x' })
    const headers = {}
    await createClientAuthentication({ id: 'orders', authentication, token }, clock)(form, headers, server)
    expect(headers).toEqual({})
    return Object.fromEntries(form)
  }

  it('sends the token of the file, without the line end, and says which kind it is', async () => {
    const file = join(folder(), 'token')
    await writeFile(file, `${good}\n`)
    expect(await authenticate(file)).toEqual({
      grant_type: 'x',
      client_id: 'orders',
      client_assertion_type: type,
      client_assertion: good,
    })
  })

  it('follows the file, which the platform replaces', async () => {
    const file = join(folder(), 'token')
    await writeFile(file, good)
    const authenticateAgain = createClientAuthentication({ id: 'orders', authentication, token: file }, clock)
    const sent = async () => {
      const form = new URLSearchParams()
      await authenticateAgain(form, {}, server)
      return form.get('client_assertion')
    }
    expect(await sent()).toBe(good)
    const next = tokenOf({ sub: 'two', exp: clock.now() + 60 })
    await writeFile(`${file}.new`, next)
    await rename(`${file}.new`, file)
    expect(await sent()).toBe(next)
    await rm(file)
    await expect(sent()).rejects.toThrow(`client token ${file}: ENOENT`)
  })

  it.each([
    ['an expired token', tokenOf({ exp: clock.now() }), 'it has expired'],
    ['a token without end', tokenOf({}), 'it holds a JWT without exp'],
    ['no token', 'hunter2', 'it does not hold one JWT'],
    ['two tokens', `${good}\n${good}`, 'it does not hold one JWT'],
    ['nothing', '', 'it does not hold one JWT'],
    ['too much', 'x'.repeat(20_000), 'it is larger than 16384 bytes'],
  ])('sends nothing for %s, and says nothing of it', async (_, content, reason) => {
    const file = join(folder(), 'token')
    await writeFile(file, content)
    const attempt = authenticate(file)
    await expect(attempt).rejects.toThrow(ClientAuthenticationError)
    await expect(attempt).rejects.toThrow(`client token ${file}: ${reason}`)
  })
})

it.each(['tls_client_auth', 'self_signed_tls_client_auth', 'spiffe_x509'] as const)(
  '%s says whose the certificate is, and nothing else',
  async authentication => {
    const form = new URLSearchParams({ grant_type: 'x' })
    const headers = {}
    await createClientAuthentication({ id: 'orders', authentication }, clock)(form, headers, server)
    expect(Object.fromEntries(form)).toEqual({ grant_type: 'x', client_id: 'orders' })
    expect(headers).toEqual({})
  },
)
