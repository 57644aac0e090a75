import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import { type CacheKeyContext, cacheKey, describeCacheKey } from '../../../../src/hop/exchange/cache-key.ts'
import type { ExchangeRequest } from '../../../../src/model/exchange-request.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { anExchangeRequest } from '../../../support/exchange-request.ts'
import { createTestIssuer } from '../../../support/tokens.ts'

const context: CacheKeyContext = { clientId: 'orders', server: 'https://hub.test', policyDigest: 'digest-1' }

/** Texts that are likely to collide when somebody joins them: separators, lengths, look-alikes of absence. */
const text = fc.oneof(
  fc.constantFrom(
    '',
    'a',
    'b',
    'ab',
    'a|b',
    'b|c',
    'a:b',
    '1:a;',
    '-;',
    'undefined',
    'null',
    'é',
    'e\u0301',
    '0',
  ),
  fc.string({ maxLength: 6 }),
)
const maybeText = fc.option(text, { nil: undefined })
const scopes = fc
  .uniqueArray(fc.constantFrom('read', 'write', 'a', 'b', 'ab', 'a:b'), { maxLength: 3 })
  .map(scopeSet)

const fields = fc.record({
  subjectToken: text,
  subjectTokenType: text,
  issuer: text,
  subject: text,
  tokenId: maybeText,
  fingerprint: text,
  actors: fc.array(text, { maxLength: 3 }),
  authenticationContext: maybeText,
  person: fc.option(
    fc.record({ token: text, tokenType: text, issuer: text, subject: text, fingerprint: text }),
    { nil: undefined },
  ),
  mode: fc.constantFrom('delegation' as const, 'impersonation' as const),
  caseId: maybeText,
  audience: text,
  resource: maybeText,
  scope: scopes,
  requiredScope: scopes,
  requestedTokenType: text,
  notAfter: fc.integer({ min: 1, max: 3 }),
  ttlSeconds: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
})
type Fields = typeof fields extends fc.Arbitrary<infer T> ? T : never

function requestOf({ subjectToken, person, ...others }: Fields): ExchangeRequest {
  return anExchangeRequest({
    ...others,
    subjectToken: new Secret(subjectToken),
    person: person && { ...person, token: new Secret(person.token) },
  })
}

const idOf = (request: ExchangeRequest, about: CacheKeyContext = context) => cacheKey(request, about).id

describe('cacheKey', () => {
  it('never gives two different requests one key', () => {
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        const same = JSON.stringify(Object.entries(a)) === JSON.stringify(Object.entries(b))
        const [first, second] = [cacheKey(requestOf(a), context), cacheKey(requestOf(b), context)]
        expect(first.id === second.id).toBe(same)
        expect(first.seal.equals(second.seal)).toBe(same)
      }),
      { numRuns: 2000 },
    )
  })

  it('changes with each field alone', () => {
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        for (const name of Object.keys(a) as (keyof Fields)[]) {
          const changed = { ...a, [name]: b[name] } as Fields
          const same = JSON.stringify([a[name]]) === JSON.stringify([b[name]])
          expect(idOf(requestOf(changed)) === idOf(requestOf(a)), name).toBe(same)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('changes with client, server and policy', () => {
    const request = anExchangeRequest()
    const ids = [
      context,
      { ...context, clientId: 'billing' },
      { ...context, server: 'https://hub.test/' },
      { ...context, policyDigest: 'digest-2' },
      // The same texts in other places.
      { clientId: 'https://hub.test', server: 'orders', policyDigest: 'digest-1' },
    ].map(about => idOf(request, about))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('does not let crafted separators move a field boundary', () => {
    const pairs: [Partial<ExchangeRequest>, Partial<ExchangeRequest>][] = [
      [
        { issuer: 'a|b', subject: 'c' },
        { issuer: 'a', subject: 'b|c' },
      ],
      [
        { actors: ['a', 'b'], authenticationContext: undefined },
        { actors: ['a'], authenticationContext: 'b' },
      ],
      [{ actors: ['a,b'] }, { actors: ['a', 'b'] }],
      [{ tokenId: undefined }, { tokenId: '' }],
      [
        { resource: undefined, audience: 'a-;' },
        { resource: '', audience: 'a' },
      ],
      [
        { audience: 'a', scope: scopeSet(['b', 'c']) },
        { audience: 'a b', scope: scopeSet(['c']) },
      ],
      [{ audience: 'caf\u00e9' }, { audience: 'cafe\u0301' }],
    ]
    for (const [a, b] of pairs) expect(idOf(anExchangeRequest(a))).not.toBe(idOf(anExchangeRequest(b)))
  })

  it('is the same for scopes in another order or with duplicates', () => {
    const a = anExchangeRequest({ scope: scopeSet(['write', 'read', 'read']) })
    const b = anExchangeRequest({ scope: scopeSet(['read', 'write']) })
    expect(idOf(a)).toBe(idOf(b))
  })

  it('is the same for two routes that ask for the same thing', () => {
    expect(idOf(anExchangeRequest({ route: 'a' }))).toBe(idOf(anExchangeRequest({ route: 'b' })))
  })

  it('is one identity for a token and for the twin that anybody can make of its ECDSA signature', async () => {
    const issuer = await createTestIssuer()
    const token = await issuer.sign()
    const fingerprint = createHash('sha256')
      .update(token.slice(0, token.lastIndexOf('.')))
      .digest('base64url')
    const twin = highTwin(token)
    expect(twin).not.toBe(token)
    const keyOf = (text: string) =>
      cacheKey(anExchangeRequest({ subjectToken: new Secret(text), fingerprint }), context)
    expect(keyOf(twin)).toEqual(keyOf(token))
  })

  it('needs the signature: all that the audit trail shows is not enough', async () => {
    const issuer = await createTestIssuer()
    const token = await issuer.sign()
    const input = token.slice(0, token.lastIndexOf('.'))
    const fingerprint = createHash('sha256').update(input).digest('base64url')
    const forged = `${input}.${Buffer.alloc(64, 7).toString('base64url')}`
    const [real, guessed] = [token, forged].map(text =>
      cacheKey(anExchangeRequest({ subjectToken: new Secret(text), fingerprint }), context),
    )
    expect(guessed?.id).not.toBe(real?.id)
    expect(guessed?.seal.equals(real?.seal ?? Buffer.alloc(0))).toBe(false)
  })

  it('derives a name that does not hold the key', () => {
    const { id, seal } = cacheKey(anExchangeRequest(), context)
    expect(id).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(seal.length).toBe(32)
    expect(Buffer.from(id, 'base64url').equals(seal)).toBe(false)
  })
})

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Replaces `s` by `n − s` in an ES256 signature (attack A09). */
function highTwin(token: string): string {
  const cut = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(cut + 1), 'base64url')
  const s = BigInt(`0x${signature.subarray(32).toString('hex')}`)
  const twin = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')
  return `${token.slice(0, cut)}.${Buffer.concat([signature.subarray(0, 32), twin]).toString('base64url')}`
}

describe('the description of a cache key', () => {
  it('names everything that the key depends on, and shows no secret', () => {
    const token = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtb25seS1pdHMtaG9sZGVyLWtub3dz'
    const person = {
      token: new Secret(token),
      tokenType: 'urn:ietf:params:oauth:token-type:access_token',
      issuer: 'https://login.test',
      subject: 'agent-7',
      fingerprint: 'fingerprint-of-the-actor',
    } as const
    const request = anExchangeRequest({
      subjectToken: new Secret(token),
      actors: ['storefront', 'web'],
      authenticationContext: 'mfa',
      person,
      caseId: 'CASE-1',
      resource: 'https://orders.test/',
      ttlSeconds: 60,
    })
    const parts = describeCacheKey(request, context)
    const { notAfter, fingerprint, issuer, subject, tokenId = '' } = request
    expect(parts.map(({ name, value }) => [name, value])).toEqual([
      ['server', 'https://hub.test'],
      ['client_id', 'orders'],
      ['policy', 'digest-1'],
      ['subject_token', '[secret]'],
      ['fingerprint', fingerprint],
      ['subject_token_type', 'urn:ietf:params:oauth:token-type:access_token'],
      ['issuer', issuer],
      ['subject', subject],
      ['token_id', tokenId],
      ['actors', '2'],
      ['actor 1', 'storefront'],
      ['actor 2', 'web'],
      ['acr', 'mfa'],
      ['actor_token', '[secret]'],
      ['actor_fingerprint', 'fingerprint-of-the-actor'],
      ['actor_token_type', person.tokenType],
      ['actor_issuer', 'https://login.test'],
      ['actor_subject', 'agent-7'],
      ['mode', 'delegation'],
      ['case_id', 'CASE-1'],
      ['audience', 'orders-api'],
      ['resource', 'https://orders.test/'],
      ['scope', 'orders:read'],
      ['required_scope', 'orders:read'],
      ['requested_token_type', 'urn:ietf:params:oauth:token-type:access_token'],
      ['not_after', String(notAfter)],
      ['ttl_seconds', '60'],
    ])
  })

  it('has a name for each part, however many there are', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 4 }), actors => {
        const parts = describeCacheKey(anExchangeRequest({ actors }), context)
        expect(parts.every(({ name }) => typeof name === 'string')).toBe(true)
        expect(parts.at(-1)?.name).toBe('ttl_seconds')
      }),
    )
  })
})
