import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jwtBearerClientAssertion, jwtSpiffeClientAssertion } from '../../../src/oauth/grant-type.ts'
import { readClientCredentials } from '../../../src/sts/client-credentials.ts'
import type { TokenForm } from '../../../src/sts/token-form.ts'
import { basic } from '../../support/token-service.ts'

function form(parameters: Record<string, string> = {}): TokenForm {
  return { one: name => parameters[name], all: () => [] }
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

describe('client credentials', () => {
  it('reads Basic credentials whatever the id and the secret hold', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 }).filter(value => value.isWellFormed())
    fc.assert(
      fc.property(text, text, (clientId, secret) => {
        const read = readClientCredentials([basic(clientId, secret)], form())
        expect(read).toEqual({
          ok: true,
          value: { kind: 'secret', method: 'client_secret_basic', clientId, secret },
        })
      }),
    )
  })

  it('reads id and secret from the body', () => {
    const read = readClientCredentials([], form({ client_id: 'a', client_secret: 'b' }))
    expect(read).toEqual({
      ok: true,
      value: { kind: 'secret', method: 'client_secret_post', clientId: 'a', secret: 'b' },
    })
  })

  it('reads an assertion, with or without client_id', () => {
    const parameters = { client_assertion: 'x', client_assertion_type: jwtBearerClientAssertion }
    expect(readClientCredentials([], form(parameters))).toMatchObject({
      ok: true,
      value: { kind: 'jwt-bearer', clientId: undefined, assertion: 'x' },
    })
    expect(readClientCredentials([], form({ ...parameters, client_id: 'a' }))).toMatchObject({
      value: { clientId: 'a' },
    })
  })

  it('reads a JWT-SVID by its assertion type', () => {
    const parameters = { client_assertion: 'x', client_assertion_type: jwtSpiffeClientAssertion }
    expect(readClientCredentials([], form(parameters))).toMatchObject({ value: { kind: 'jwt-spiffe' } })
  })

  it('takes the certificate of the connection, with a client id and nothing else', () => {
    expect(readClientCredentials([], form({ client_id: 'a' }), true)).toEqual({
      ok: true,
      value: { kind: 'certificate', clientId: 'a' },
    })
    expect(readClientCredentials([], form(), true)).toMatchObject({ error: { code: 'invalid_client' } })
    expect(readClientCredentials([], form({ client_id: 'a' }), false).ok).toBe(false)
    expect(readClientCredentials([basic('a', 'b')], form(), true)).toMatchObject({
      value: { kind: 'secret' },
    })
  })

  it('lets the body repeat the client id of the Basic credentials, and only that one', () => {
    expect(readClientCredentials([basic('a', 'b')], form({ client_id: 'a' })).ok).toBe(true)
    expect(readClientCredentials([basic('a', 'b')], form({ client_id: 'c' }))).toMatchObject({
      error: { code: 'invalid_request' },
    })
  })

  it.each([
    ['Basic and secret', ['Basic YTpi'], { client_id: 'a', client_secret: 'b' }],
    ['Basic and assertion', ['Basic YTpi'], { client_assertion: 'x', client_assertion_type: 'y' }],
    [
      'secret and assertion',
      [],
      { client_secret: 'b', client_assertion: 'x', client_assertion_type: jwtBearerClientAssertion },
    ],
    ['two Authorization fields', ['Basic YTpi', 'Basic YTpi'], {}],
    ['an assertion without type', [], { client_assertion: 'x' }],
    ['an assertion type without assertion', [], { client_assertion_type: jwtBearerClientAssertion }],
    ['a secret without client id', [], { client_secret: 'b' }],
  ])('refuses %s as malformed', (_, authorization, parameters) => {
    expect(readClientCredentials(authorization, form(parameters as Record<string, string>))).toMatchObject({
      error: { code: 'invalid_request' },
    })
  })

  it.each([
    ['nothing', [], {}],
    ['only a client id', [], { client_id: 'a' }],
    ['another scheme', ['Bearer abc'], {}],
    ['Basic without credentials', ['Basic'], {}],
    ['Basic that is not base64', ['Basic a:b'], {}],
    ['Basic in base64url', ['Basic YTo_Pz8-'], {}],
    ['Basic without padding', ['Basic YTpi'.replace('YTpi', 'YTo')], {}],
    ['Basic with loose bits', ['Basic YTpiZB=='], {}],
    ['Basic with trailing text', ['Basic YTpi x'], {}],
    ['Basic without colon', [`Basic ${base64('ab')}`], {}],
    ['Basic without id', [`Basic ${base64(':b')}`], {}],
    ['Basic without secret', [`Basic ${base64('a:')}`], {}],
    ['Basic that is not form-encoded', [`Basic ${base64('a:50%')}`], {}],
    ['another assertion type', [], { client_assertion: 'x', client_assertion_type: 'urn:saml2-bearer' }],
  ])('does not authenticate %s', (_, authorization, parameters) => {
    expect(readClientCredentials(authorization, form(parameters as Record<string, string>))).toMatchObject({
      error: { code: 'invalid_client' },
    })
  })
})
