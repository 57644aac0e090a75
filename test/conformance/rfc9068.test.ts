import { beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import type { IssuerRules } from '../../src/config/sidecar-config.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { createJwtVerifier } from '../../src/tokens/verify-jwt.ts'
import { createFakeHttpClient } from '../support/fake-http-client.ts'
import { rulesFor } from '../support/issuer-rules.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'

let issuer: TestIssuer

beforeAll(async () => {
  issuer = await createTestIssuer({ algorithm: 'RS256' })
})

async function verify(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  changes: Partial<IssuerRules> = {},
): Promise<VerifiedToken | undefined> {
  const verifier = createJwtVerifier([rulesFor(issuer, changes)], {
    client: createFakeHttpClient(() => ({ status: 404 })),
    log: silentLog,
    tokenBytes: 8192,
  })
  const result = await verifier.verify(await issuer.sign(claims, header), Date.now() / 1000)
  return result.ok ? result.value : undefined
}

describe('RFC 9068: JWT profile for access tokens', () => {
  it('§2.1 reads a token signed with RS256, the algorithm every server must support', async () => {
    expect(await verify({})).toBeDefined()
  })

  it('§2.1, §4 accepts typ at+jwt in both forms and, where only that is configured, nothing else', async () => {
    expect(await verify({}, { typ: 'at+jwt' })).toBeDefined()
    expect(await verify({}, { typ: 'application/at+jwt' })).toBeDefined()
    for (const typ of [undefined, 'JWT', 'application/jwt', 'id_token', '']) {
      expect(await verify({}, { typ })).toBeUndefined()
    }
  })

  it('§2.1 accepts other types from an issuer that is configured to send them', async () => {
    expect(await verify({}, { typ: 'JWT' }, { types: ['jwt'] })).toBeDefined()
    expect(await verify({}, { typ: undefined }, { types: ['none'] })).toBeDefined()
    expect(await verify({}, { typ: undefined }, { types: ['jwt'] })).toBeUndefined()
    expect(await verify({}, {}, { types: ['jwt'] })).toBeUndefined()
  })

  it('§2.2 reads the claims of the profile', async () => {
    const token = await verify({
      sub: '5ba552d67',
      client_id: 's6BhdRkqt3',
      jti: 'dbe39bf3a3ba4238a513f51d6e1691c4',
      acr: 'mfa',
      scope: 'openid profile reademail',
    })
    expect(token).toMatchObject({
      issuer: issuer.issuer,
      subject: '5ba552d67',
      clientId: 's6BhdRkqt3',
      tokenId: 'dbe39bf3a3ba4238a513f51d6e1691c4',
      authenticationContext: 'mfa',
      scope: ['openid', 'profile', 'reademail'],
    })
    expect(token?.expiresAt).toBeGreaterThan(token?.issuedAt ?? Number.POSITIVE_INFINITY)
  })

  it('§2.2 refuses a token without iss, exp, aud or sub', async () => {
    for (const claim of ['iss', 'exp', 'aud', 'sub'])
      expect(await verify({ [claim]: undefined })).toBeUndefined()
  })

  it('§2.2 refuses claims of another type than the profile gives them', async () => {
    for (const claim of ['client_id', 'jti', 'iat', 'acr', 'scope']) {
      expect(await verify({ [claim]: ['x'] })).toBeUndefined()
    }
  })

  it('§2.2.3.1 keeps groups, roles and entitlements for the policy', async () => {
    const token = await verify({ groups: ['g'], roles: ['support'], entitlements: ['e'] })
    expect(token?.claims.roles).toEqual(['support'])
  })

  it('§4 refuses an encrypted token, because none was agreed on', async () => {
    const verifier = createJwtVerifier([rulesFor(issuer)], {
      client: createFakeHttpClient(() => ({ status: 404 })),
      log: silentLog,
      tokenBytes: 8192,
    })
    const header = Buffer.from('{"alg":"RSA-OAEP-256","enc":"A256GCM"}').toString('base64url')
    expect(verifier.verify(`${header}.AAAA.AAAA.AAAA.AAAA`, Date.now() / 1000)).toMatchObject({ ok: false })
  })

  it('§4 compares iss exactly with the configured issuer', async () => {
    expect(await verify({ iss: `${issuer.issuer}/` })).toBeUndefined()
  })

  it('§4 requires an own audience among those of the token', async () => {
    expect(await verify({ aud: ['https://rs.example.com/'] })).toBeUndefined()
    expect(await verify({ aud: ['https://rs.example.com/', 'shop-web'] })).toBeDefined()
  })

  it('§4 refuses alg none and what the configuration does not list', async () => {
    expect(await verify({}, { alg: 'none' })).toBeUndefined()
    expect(await verify({}, {}, { algorithms: ['ES256'] })).toBeUndefined()
  })

  it('§4 refuses an expired token, with a leeway of its own only', async () => {
    const now = Math.floor(Date.now() / 1000)
    expect(await verify({ exp: now - 30, iat: now - 90 })).toBeUndefined()
    expect(await verify({ exp: now - 30, iat: now - 90 }, {}, { leewaySeconds: 60 })).toBeDefined()
  })

  it('§5 refuses an ID token as an access token', async () => {
    const idToken = { aud: 'shop-web', nonce: 'n-0S6_WzA2Mj', at_hash: '77QmUPtjPfzWtF2AnpK9RQ' }
    for (const typ of ['JWT', undefined]) {
      expect(await verify(idToken, { typ }, { types: ['at+jwt', 'jwt', 'none'] })).toBeUndefined()
    }
  })
})
