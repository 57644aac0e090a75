import { createLocalJWKSet, type JWTVerifyResult, jwtVerify } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { asBilling, asIdle, issueFamily, type TokenFamily } from '../support/token-family.ts'
import {
  createTestTokenService,
  decodeClaims,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

const signedType = 'application/token-introspection+jwt'
let sts: TestTokenService
let family: TokenFamily

beforeEach(async () => {
  sts = await createTestTokenService()
  family = await issueFamily(sts)
})

const introspect = (token: string, accept: string, authorization = asBilling) =>
  sts.ask('/introspect', { token }, { authorization, accept })

async function verify(text: string): Promise<JWTVerifyResult> {
  const { json } = await sts.send({ path: '/sts/jwks', method: 'GET' })
  return jwtVerify(text, createLocalJWKSet(json as never), {
    typ: 'token-introspection+jwt',
    issuer: tokenServiceIssuer,
    audience: 'billing',
    currentDate: new Date(sts.clock.now() * 1000),
  })
}

describe('RFC 9701: signed introspection answers', () => {
  it('§4, §5 are given who asks for them, signed for the one who asked', async () => {
    const answer = await introspect(family.parent, signedType)
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': signedType, 'cache-control': 'no-store' },
    })
    const { payload } = await verify(answer.body)
    expect(payload).toEqual({
      iss: tokenServiceIssuer,
      aud: 'billing',
      iat: sts.clock.now(),
      token_introspection: { ...decodeClaims(family.parent), active: true, token_type: 'Bearer' },
    })
  })

  it('§5 have neither sub nor exp at the top, and are no subject token', async () => {
    const answer = await introspect(family.parent, signedType)
    expect(decodeClaims(answer.body)).not.toHaveProperty('sub')
    expect(decodeClaims(answer.body)).not.toHaveProperty('exp')
    const exchanged = await sts.exchange({ subject_token: answer.body, audience: 'orders' }, asBilling)
    expect(exchanged.status).toBe(400)
    expect((await introspect(answer.body, 'application/json')).json).toEqual({ active: false })
  })

  it('§5 say only `active: false` of a token that is not good or not for the one who asks', async () => {
    for (const token of ['nonsense', await sts.subjectToken(), family.parent]) {
      const { body } = await introspect(token, signedType, asIdle)
      expect(decodeClaims(body)['token_introspection']).toEqual({ active: false })
      expect(sts.lastEvent()).toMatchObject({ kind: 'inactive', endpoint: 'introspection' })
    }
  })

  it.each([
    [signedType, true],
    [`application/json, ${signedType}`, true],
    [`${signedType.toUpperCase()};q=0.9`, true],
    [`application/json;q=0.5, ${signedType}; q=0.7`, true],
    [`application/json, ${signedType};q=0.1`, false],
    [`${signedType};q=0`, false],
    [`${signedType};q=nonsense`, false],
    ['*/*', false],
    ['application/*', false],
    ['application/jwt', false],
    ['', false],
  ])('§4 takes Accept: %s for an answer that is signed: %s', async (accept, isSigned) => {
    const { headers } = await introspect(family.parent, accept)
    expect(headers['content-type']).toBe(isSigned ? signedType : 'application/json')
  })

  it('§7 are announced with the algorithm that they are signed with', async () => {
    const { json } = await sts.send({ path: '/sts/.well-known/openid-configuration', method: 'GET' })
    expect(json['introspection_signing_alg_values_supported']).toEqual(['ES256'])
  })
})
