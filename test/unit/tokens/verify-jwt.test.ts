import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { HttpClientError } from '../../../src/base/http-client.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { Result } from '../../../src/base/result.ts'
import type { IssuerRules } from '../../../src/config/sidecar-config.ts'
import type { Refusal } from '../../../src/model/refusal.ts'
import type { VerifiedToken } from '../../../src/model/verified-token.ts'
import { createJwtVerifier, type JwtVerifier } from '../../../src/tokens/verify-jwt.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'
import { rulesFor } from '../../support/issuer-rules.ts'
import { createTestIssuer, encode, type TestAlgorithm, type TestIssuer } from '../../support/tokens.ts'

const tokenBytes = 8192
const open: JwtVerifier[] = []
let issuer: TestIssuer

beforeAll(async () => {
  issuer = await createTestIssuer()
})

afterEach(() => {
  for (const verifier of open.splice(0)) verifier.close()
})

function setUp(
  rules: readonly IssuerRules[] = [rulesFor(issuer)],
  answer: () => FakeAnswer = () => ({ status: 404 }),
) {
  const clock = createFakeClock()
  const client = createFakeHttpClient(answer)
  const verifier = createJwtVerifier(rules, { client, log: silentLog, tokenBytes, keyOptions: { clock } })
  open.push(verifier)
  return { verifier, client, clock }
}

/** The answer, which must be there at once. */
function verifyNow(
  verifier: JwtVerifier,
  token: string,
  now = Date.now() / 1000,
): Result<VerifiedToken, Refusal> {
  const result = verifier.verify(token, now)
  if (result instanceof Promise) throw new Error('the verifier made its caller wait')
  return result
}

function accepted(result: Result<VerifiedToken, Refusal>): VerifiedToken {
  if (!result.ok) throw new Error(result.error.detail)
  return result.value
}

function detailOf(result: Result<VerifiedToken, Refusal>): string {
  if (result.ok) throw new Error('the token was accepted')
  expect(result.error.code).toBe('token.invalid')
  return result.error.detail
}

describe('createJwtVerifier', () => {
  it.each<TestAlgorithm>(['ES256', 'RS256', 'PS256', 'EdDSA'])(
    'verifies a token signed with %s',
    async algorithm => {
      const signer = await createTestIssuer({ algorithm })
      const { verifier } = setUp([rulesFor(signer)])
      const text = await signer.sign({
        aud: ['other', 'shop-web'],
        scope: 'b a',
        jti: 'j1',
        acr: 'mfa',
        act: { sub: 'front' },
        tenant: 't1',
      })
      const token = accepted(verifyNow(verifier, text))
      expect(token).toMatchObject({
        tokenType: 'urn:ietf:params:oauth:token-type:access_token',
        issuer: signer.issuer,
        subject: 'alice',
        audience: ['other', 'shop-web'],
        clientId: 'shop-web',
        tokenId: 'j1',
        scope: ['a', 'b'],
        actor: { subject: 'front' },
        authenticationContext: 'mfa',
      })
      expect(token.presented.expose()).toBe(text)
      expect(token.claims.tenant).toBe('t1')
      expect(token.expiresAt).toBe(token.claims.exp)
      expect(token.issuedAt).toBe(token.claims.iat)
    },
  )

  it('freezes the token and its claims, and gives the claims no prototype', async () => {
    const { verifier } = setUp()
    const token = accepted(verifyNow(verifier, await issuer.sign({ roles: { admin: [] } })))
    for (const part of [token, token.claims, token.claims.roles, token.audience, token.scope]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
    expect(Object.getPrototypeOf(token.claims)).toBeNull()
  })

  it('gives the fingerprint of what was signed, the same for every valid signature', async () => {
    const { verifier } = setUp()
    const first = issuer.signRaw(...(await parts()))
    const text = first.split('.').slice(0, 2).join('.')
    const second = issuer.signRaw(...decode(text))
    expect(second).not.toBe(first)
    const fingerprint = accepted(verifyNow(verifier, first)).fingerprint
    expect(accepted(verifyNow(verifier, second)).fingerprint).toBe(fingerprint)
    expect(fingerprint).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(accepted(verifyNow(verifier, await issuer.sign())).fingerprint).not.toBe(fingerprint)
  })

  it('refuses to be made with two rules for one issuer', () => {
    expect(() => setUp([rulesFor(issuer), rulesFor(issuer)])).toThrow(TypeError)
  })

  it('refuses every token when there are no rules', async () => {
    const { verifier } = setUp([])
    expect(detailOf(verifyNow(verifier, await issuer.sign()))).toMatch(/iss/)
  })

  it('refuses a token longer than the limit before anything else', async () => {
    const { verifier } = setUp()
    const long = await issuer.sign({ pad: 'x'.repeat(tokenBytes) })
    expect(detailOf(verifyNow(verifier, long))).toMatch(/longer than 8192/)
    expect(accepted(verifyNow(verifier, await issuer.sign({ pad: 'x'.repeat(4000) })))).toBeDefined()
  })

  it("never verifies one issuer's token with another's key", async () => {
    const other = await createTestIssuer({ issuer: 'https://other.example' })
    const { verifier } = setUp([rulesFor(issuer), rulesFor(other)])
    expect(accepted(verifyNow(verifier, await other.sign())).issuer).toBe('https://other.example')
    expect(detailOf(verifyNow(verifier, await other.sign({ iss: issuer.issuer })))).toMatch(/signature/)
    const unknown = await createTestIssuer({ issuer: issuer.issuer, kid: 'k2' })
    expect(detailOf(verifyNow(verifier, await unknown.sign()))).toMatch(/no key fits/)
  })

  it('never accepts a token of which one character was changed', async () => {
    const { verifier } = setUp()
    const text = await issuer.sign()
    accepted(verifyNow(verifier, text))
    const characters = fc.constantFrom(...'ABab01-_.=+/ \n{"é\u0000')
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        characters,
        fc.constantFrom('replace', 'insert', 'drop'),
        (at, by, how) => {
          const rest = text.slice(how === 'insert' ? at : at + 1)
          const changed = text.slice(0, at) + (how === 'drop' ? '' : by) + rest
          expect(verifyNow(verifier, changed).ok).toBe(changed === text)
        },
      ),
      { numRuns: 1500 },
    )
  })

  it('never throws and never accepts for arbitrary text', () => {
    const { verifier } = setUp()
    const segment = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.json().map(encode),
      fc
        .record({ alg: fc.constant('ES256'), kid: fc.string() })
        .map(header => encode(JSON.stringify(header))),
    )
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), segments => {
        expect(detailOf(verifyNow(verifier, segments.join('.')))).toBeTruthy()
      }),
    )
  })

  it('tells the log which check failed, without any text of the token', async () => {
    const { verifier } = setUp()
    const text = await issuer.sign({ iss: `https://evil.example/\r\n${'x/'.repeat(100)}` })
    const detail = detailOf(verifyNow(verifier, text))
    expect(detail).toMatch(/^iss "https:\/\/evil\.example\/\\r\\n[x/]+\.\.\." is not trusted$/)
    expect(detail.length).toBeLessThan(120)
    for (const part of text.split('.')) expect(detail).not.toContain(part.slice(0, 16))
    const kid = await issuer.sign({}, { kid: '\u001b[2J' })
    expect(detailOf(verifyNow(verifier, kid))).toBe('kid "\\u001b[2J": no key fits')
  })

  describe('memory', () => {
    it('answers a token that it knows with the same object', async () => {
      const { verifier } = setUp()
      const text = await issuer.sign()
      const first = accepted(verifyNow(verifier, text))
      expect(accepted(verifyNow(verifier, text))).toBe(first)
    })

    it('checks the times of a known token again', async () => {
      const { verifier } = setUp()
      const now = Math.floor(Date.now() / 1000)
      const text = await issuer.sign({ nbf: now, iat: now, exp: now + 60 })
      accepted(verifyNow(verifier, text, now))
      accepted(verifyNow(verifier, text, now + 59.9))
      expect(detailOf(verifyNow(verifier, text, now + 60))).toBe('expired')
      expect(detailOf(verifyNow(verifier, text, now + 61))).toBe('expired')
    })

    it('refuses a known token when the clock goes back before its nbf', async () => {
      const { verifier } = setUp()
      const now = Math.floor(Date.now() / 1000)
      const text = await issuer.sign({ nbf: now, iat: now })
      accepted(verifyNow(verifier, text, now))
      expect(detailOf(verifyNow(verifier, text, now - 1))).toBe('not valid yet')
    })

    it('forgets a token when its key leaves the key set', async () => {
      let published = issuer
      const keys = { kind: 'jwks_uri', uri: new URL('https://login.example.com/certs') } as const
      const { verifier, clock } = setUp([rulesFor(issuer, { keys })], () => ({
        body: JSON.stringify(published.jwks),
      }))
      const text = await issuer.sign()
      accepted(await verifier.verify(text, Date.now() / 1000))
      published = await createTestIssuer({ kid: 'k2' })
      clock.advanceMs(30_000)
      accepted(await verifier.verify(await published.sign(), Date.now() / 1000))
      expect(detailOf(verifyNow(verifier, text))).toMatch(/no key fits/)
    })

    it('does not remember a token that was refused', async () => {
      const { verifier } = setUp()
      const now = Math.floor(Date.now() / 1000)
      const text = await issuer.sign({ nbf: now + 30 })
      expect(detailOf(verifyNow(verifier, text, now))).toBe('not valid yet')
      accepted(verifyNow(verifier, text, now + 30))
    })

    it('stays within its bounds and goes on verifying', async () => {
      const clock = createFakeClock()
      const verifier = createJwtVerifier([rulesFor(issuer)], {
        client: createFakeHttpClient(() => ({ status: 404 })),
        log: silentLog,
        tokenBytes,
        keyOptions: { clock },
        memory: { maxEntries: 2, maxBytes: 1_000_000 },
      })
      const texts = [await issuer.sign(), await issuer.sign(), await issuer.sign()]
      const first = texts.map(text => accepted(verifyNow(verifier, text)))
      const again = texts.toReversed().map(text => accepted(verifyNow(verifier, text)))
      expect(again[0]).toBe(first[2])
      expect(again[2]).not.toBe(first[0])
      expect(again[2]).toEqual(first[0])
    })
  })

  describe('keys', () => {
    const keys = { kind: 'jwks_uri', uri: new URL('https://login.example.com/certs') } as const

    it('waits only while the keys are fetched, and answers at once when warmed', async () => {
      const cold = setUp([rulesFor(issuer, { keys })], () => ({ body: JSON.stringify(issuer.jwks) }))
      expect(cold.verifier.verify(await issuer.sign(), Date.now() / 1000)).toBeInstanceOf(Promise)
      const warm = setUp([rulesFor(issuer, { keys })], () => ({ body: JSON.stringify(issuer.jwks) }))
      await warm.verifier.warm()
      accepted(verifyNow(warm.verifier, await issuer.sign()))
    })

    it('is ready when the keys of one issuer are there', async () => {
      const other = await createTestIssuer({ issuer: 'https://other.example' })
      const { verifier } = setUp([rulesFor(issuer, { keys }), rulesFor(other, { keys })], () => ({
        body: JSON.stringify(issuer.jwks),
      }))
      expect(verifier.isReady()).toBe(false)
      await verifier.warm()
      expect(verifier.isReady()).toBe(true)
      expect(setUp([rulesFor(other)]).verifier.isReady()).toBe(true)
      expect(setUp([]).verifier.isReady()).toBe(true)
    })

    it('refuses with 503 when no keys were ever had, and never accepts', async () => {
      const { verifier } = setUp(
        [rulesFor(issuer, { keys })],
        () => new HttpClientError('timeout', keys.uri, 'no answer within 3000 ms'),
      )
      await verifier.warm()
      const result = await verifier.verify(await issuer.sign(), Date.now() / 1000)
      expect(result).toMatchObject({ ok: false, error: { code: 'token.keys_unavailable' } })
    })

    it('fetches no keys for a token that fails before', async () => {
      const { verifier, client } = setUp([rulesFor(issuer, { keys })])
      for (const text of [
        await issuer.sign({ iss: 'https://evil.example' }),
        await issuer.sign({}, { alg: 'HS256' }),
        await issuer.sign({}, { alg: 'none' }),
        await issuer.sign({}, { typ: 'logout+jwt' }),
        await issuer.sign({}, { crit: ['exp'] }),
      ]) {
        detailOf(verifyNow(verifier, text))
      }
      expect(client.requests).toEqual([])
    })
  })

  async function parts(): Promise<[string, string]> {
    return decode(await issuer.sign())
  }
})

function decode(text: string): [string, string] {
  const [header = '', payload = ''] = text.split('.').map(part => Buffer.from(part, 'base64url').toString())
  return [header, payload]
}
