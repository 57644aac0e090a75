import { beforeAll, describe, expect, it } from 'vitest'
import {
  createTestTokenService,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

let sts: TestTokenService
beforeAll(async () => {
  sts = await createTestTokenService()
})

const inserted = '/.well-known/oauth-authorization-server/sts'
const get = (path: string, method = 'GET') => sts.send({ path, method })

describe('RFC 8414: authorization server metadata', () => {
  it('§2 names the issuer, and below it every endpoint and the keys', async () => {
    const { json } = await get(inserted)
    expect(json).toMatchObject({
      issuer: tokenServiceIssuer,
      token_endpoint: `${tokenServiceIssuer}/token`,
      introspection_endpoint: `${tokenServiceIssuer}/introspect`,
      revocation_endpoint: `${tokenServiceIssuer}/revoke`,
      jwks_uri: `${tokenServiceIssuer}/jwks`,
    })
  })

  it('§2 names only endpoints that there are', async () => {
    const { json } = await get(inserted)
    const urls = Object.entries(json).filter(([name]) => /_endpoint$|_uri$/.test(name))
    expect(urls.length).toBeGreaterThanOrEqual(4)
    for (const [name, url] of urls) {
      const { pathname } = new URL(String(url))
      expect((await get(pathname)).status, name).not.toBe(404)
    }
  })

  it('§2 names the methods of each endpoint, none of which needs no secret', async () => {
    const { json } = await get(inserted)
    for (const endpoint of ['token', 'introspection', 'revocation']) {
      const methods = json[`${endpoint}_endpoint_auth_methods_supported`]
      expect(methods, endpoint).toEqual(json['token_endpoint_auth_methods_supported'])
      expect(methods).toContain('private_key_jwt')
      expect(methods).not.toContain('none')
      const algorithms = json[`${endpoint}_endpoint_auth_signing_alg_values_supported`]
      expect(algorithms, endpoint).toContain('ES256')
      expect(algorithms).not.toContain('none')
      expect(algorithms).not.toContain('HS256')
    }
  })

  it('§2 has response_types_supported, which is required, though there are none', async () => {
    const { json } = await get(inserted)
    expect(json['response_types_supported']).toEqual([])
    expect(json['grant_types_supported']).toContain('urn:ietf:params:oauth:grant-type:token-exchange')
  })

  it('§2 has no member with an empty value beside that one', async () => {
    const { json } = await get(inserted)
    const empty = Object.entries(json).filter(([, value]) => Array.isArray(value) && value.length === 0)
    expect(empty.map(([name]) => name)).toEqual(['response_types_supported'])
  })

  it('§3 is found between host and path of the issuer, and where OpenID Connect looks (§5)', async () => {
    const answer = await get(inserted)
    expect(await get('/sts/.well-known/openid-configuration')).toEqual(answer)
    const elsewhere = { headers: new Map(), body: '', query: '', peer: 'local', method: 'GET' }
    const misplaced = '/sts/.well-known/oauth-authorization-server'
    expect(await sts.service.handle({ ...elsewhere, path: misplaced })).toBeUndefined()
  })

  it('§3.1, §3.2 is JSON by GET or HEAD, that may be kept for a while', async () => {
    const answer = await get(inserted)
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=300' },
    })
    expect(await get(inserted, 'HEAD')).toMatchObject({ status: 200, body: '', headers: answer.headers })
    expect(await get(inserted, 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
  })
})
