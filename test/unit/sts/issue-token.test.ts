import { describe, expect, it } from 'vitest'
import type { VerifiedToken } from '../../../src/model/verified-token.ts'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import { tokenType } from '../../../src/oauth/token-type.ts'
import type { Issuance } from '../../../src/sts/grant.ts'
import { issueToken } from '../../../src/sts/issue-token.ts'
import { tokenMark } from '../../../src/sts/lineage.ts'
import { createSigner } from '../../../src/sts/signer.ts'
import { generateSigningKey } from '../../../src/sts/signing-keys.ts'
import { accessTokenFormat, type TokenFormat } from '../../../src/sts/token-format.ts'
import { noFacts } from '../../../src/sts/token-service-event.ts'
import { decodeClaims, decodeHeader } from '../../support/token-service.ts'

const by = {
  issuer: 'https://hub.example.com',
  clientId: 'orders',
  signer: createSigner([generateSigningKey()]),
}

function issue(issuance: Partial<Issuance> = {}, now = 1_000, signer = by.signer) {
  const full: Issuance = {
    subject: 'alice',
    audience: 'orders-api',
    scope: scopeSet(['b', 'a']),
    actor: { sub: 'orders' },
    claims: {},
    derivedFrom: [],
    notAfter: now + 300,
    ttlSeconds: 60,
    format: accessTokenFormat,
    issuedTokenType: tokenType.accessToken,
    facts: noFacts,
    ...issuance,
  }
  const issued = issueToken(full, { ...by, signer }, now)
  if (!issued.ok) return { error: issued.error, claims: {}, token: undefined, header: {} }
  const text = issued.value.value.expose()
  return { error: undefined, token: issued.value, claims: decodeClaims(text), header: decodeHeader(text) }
}

describe('an issued token', () => {
  it('is a JWT access token for one audience, with every claim that RFC 9068 requires', () => {
    const { header, claims } = issue()
    expect(header).toMatchObject({ typ: 'at+jwt', alg: 'ES256' })
    expect(claims).toEqual({
      iss: 'https://hub.example.com',
      sub: 'alice',
      aud: 'orders-api',
      client_id: 'orders',
      act: { sub: 'orders' },
      scope: 'a b',
      iat: 1_000,
      exp: 1_060,
      jti: expect.stringMatching(/^[\w-]{27}$/),
    })
  })

  it('has neither an actor nor a scope that was only carried along', () => {
    const claims = { act: 'blue', scope: 'blue' }
    const none = issue({ claims, actor: undefined, scope: scopeSet([]) }).claims
    expect(none).not.toHaveProperty('act')
    expect(none).not.toHaveProperty('scope')
    expect(issue({ claims }).claims).toMatchObject({ act: { sub: 'orders' }, scope: 'a b' })
  })

  it('ends a minute before its key is published no longer', () => {
    const clock = { now: () => 1_000, monotonicMs: () => 0 }
    const key = { ...generateSigningKey(), publishedUntil: 1_100 }
    expect(issue({}, 1_000, createSigner([key], clock)).claims).toMatchObject({ exp: 1_040 })
    const late = createSigner([{ ...key, publishedUntil: 1_060 }], clock)
    expect(issue({}, 1_000, late).error).toMatchObject({ code: 'invalid_request' })
  })

  const parent = (jti: string, expiresAt = 5_000, issuer = by.issuer): VerifiedToken =>
    ({ issuer, expiresAt, claims: { jti } }) as unknown as VerifiedToken

  it('names the tokens of the same issuer that it is derived from, and no others', () => {
    const elsewhere = parent('x', 5_000, 'https://login.example.com')
    expect(issue({ derivedFrom: [elsewhere] }).claims).not.toHaveProperty('lineage')
    const carried = { lineage: tokenMark('z') }
    expect(issue({ derivedFrom: [elsewhere], claims: carried }).claims).not.toHaveProperty('lineage')
    expect(issue({ derivedFrom: [elsewhere, parent('a')] }).claims).toMatchObject({ lineage: tokenMark('a') })
  })

  it('outlives none of the tokens that it is derived from', () => {
    const derivedFrom = [parent('a', 1_040), parent('b', 1_020, 'https://login.example.com')]
    expect(issue({ derivedFrom, notAfter: 1_030 }).claims).toMatchObject({ exp: 1_020 })
  })

  it('outlives them where it may, as what waits in a queue does, and is revoked with them all the same', () => {
    const { claims } = issue({ derivedFrom: [parent('a', 1_010)], mayOutlive: true })
    expect(claims).toMatchObject({ exp: 1_060, lineage: tokenMark('a') })
  })

  it('is not made when it could not be revoked along with what it is derived from', () => {
    expect(issue({ derivedFrom: [parent('')] }).error).toMatchObject({ code: 'invalid_request' })
  })

  it('names nobody who acts when nobody does', () => {
    expect(issue({ actor: undefined }).claims).not.toHaveProperty('act')
  })

  it('is written in the format that the grant says', () => {
    const format = {
      tokenType: 'N_A',
      write: (claims, signer) => signer.sign(claims, 'x+jwt'),
    } as const satisfies TokenFormat
    expect(issue({ format }).header).toMatchObject({ typ: 'x+jwt' })
  })

  it('has no scope claim when nothing was granted', () => {
    expect(issue({ scope: scopeSet([]) }).claims).not.toHaveProperty('scope')
  })

  it('never lives longer than the subject token', () => {
    expect(issue({ notAfter: 1_030 }).claims).toMatchObject({ exp: 1_030 })
  })

  it('has whole seconds, and never says that more is left than there is', () => {
    const { claims, token } = issue({ notAfter: 1_030.9 }, 1_000.7)
    expect(claims).toMatchObject({ iat: 1_000, exp: 1_030 })
    expect(token?.expiresInSeconds).toBe(29)
  })

  it.each([1_000.5, 1_000, 999, 1_001.9])('is not issued when the subject token ends at %d', notAfter => {
    expect(issue({ notAfter }, 1_000.95).error?.code).toBe('invalid_request')
  })

  it('is not issued for a life that is no number', () => {
    expect(issue({ notAfter: Number.NaN }).error?.code).toBe('invalid_request')
    expect(issue({ ttlSeconds: 0 }).error?.code).toBe('invalid_request')
  })

  it('cannot have what the endpoint sets replaced by a grant', () => {
    const claims = { iss: 'x', sub: 'x', aud: 'x', client_id: 'x', act: 'x', iat: 1, exp: 9e9, jti: 'x' }
    expect(issue({ claims }).claims).toMatchObject({
      iss: 'https://hub.example.com',
      sub: 'alice',
      exp: 1_060,
    })
  })

  it('has an id of at least 128 bits that no other has', () => {
    const ids = Array.from({ length: 100 }, () => issue().token?.tokenId ?? '')
    expect(new Set(ids).size).toBe(100)
    expect(ids.every(id => Buffer.from(id, 'base64url').length >= 16)).toBe(true)
  })

  it('does not print itself', () => {
    const { token } = issue()
    expect(JSON.stringify(token)).not.toContain(token?.value.expose())
    expect(JSON.stringify(token)).toContain('[secret]')
  })
})
