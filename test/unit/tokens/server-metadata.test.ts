import { describe, expect, it } from 'vitest'
import { HttpClientError } from '../../../src/base/http-client.ts'
import {
  fetchServerMetadata,
  metadataAddresses,
  readServerMetadata,
} from '../../../src/tokens/server-metadata.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'

const issuer = 'https://login.example.com/realms/shop'
const inserted = 'https://login.example.com/.well-known/oauth-authorization-server/realms/shop'
const appended = `${issuer}/.well-known/openid-configuration`

const document = {
  issuer,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/certs`,
  introspection_endpoint: `${issuer}/introspect`,
  revocation_endpoint: `${issuer}/revoke`,
  token_endpoint_auth_methods_supported: ['private_key_jwt'],
  grant_types_supported: ['client_credentials'],
}

function fetchWith(answers: Record<string, FakeAnswer>) {
  const client = createFakeHttpClient(({ url }) => answers[url.href] ?? { status: 404 })
  return { client, result: fetchServerMetadata(issuer, { client, plaintext: false, timeoutMs: 3000 }) }
}

function errorOf(members: Record<string, unknown>): string | undefined {
  const read = readServerMetadata(JSON.stringify({ ...document, ...members }), issuer, false)
  return read.ok ? undefined : read.error
}

describe('metadataAddresses', () => {
  it.each([
    [
      'https://h.example',
      'https://h.example/.well-known/oauth-authorization-server',
      'https://h.example/.well-known/openid-configuration',
    ],
    [
      'https://h.example/',
      'https://h.example/.well-known/oauth-authorization-server',
      'https://h.example/.well-known/openid-configuration',
    ],
    [
      'https://h.example/t1/',
      'https://h.example/.well-known/oauth-authorization-server/t1',
      'https://h.example/t1/.well-known/openid-configuration',
    ],
    [
      'https://h.example//evil.example',
      'https://h.example/.well-known/oauth-authorization-server//evil.example',
      'https://h.example//evil.example/.well-known/openid-configuration',
    ],
  ])('inserts and appends the well-known path for %s', (text, first, second) => {
    const addresses = metadataAddresses(text, false)
    expect(addresses.ok && addresses.value.map(url => url.href)).toEqual([first, second])
  })

  it.each([
    'http://h.example',
    'https://h.example?x',
    'https://h.example/?',
    'https://h.example#f',
    'https://u:p@h.example',
    'file:///etc',
    'h.example',
  ])('refuses the issuer %s', text => {
    expect(metadataAddresses(text, false).ok).toBe(false)
  })

  it('allows http where the configuration says so, and to loopback', () => {
    expect(metadataAddresses('http://h.example', true).ok).toBe(true)
    expect(metadataAddresses('http://127.0.0.1:8080', false).ok).toBe(true)
  })
})

describe('fetchServerMetadata', () => {
  it('takes the document of RFC 8414 first', async () => {
    const { client, result } = fetchWith({ [inserted]: { body: JSON.stringify(document) } })
    const metadata = await result
    expect(client.addresses).toEqual([inserted])
    if (!metadata.ok) throw new Error(metadata.error)
    expect(metadata.value).toMatchObject({
      issuer,
      tokenEndpointAuthMethods: ['private_key_jwt'],
      grantTypes: ['client_credentials'],
      tokenEndpointAuthSigningAlgorithms: undefined,
    })
    expect(metadata.value.tokenEndpoint.href).toBe(`${issuer}/token`)
    expect(metadata.value.jwksUri.href).toBe(`${issuer}/certs`)
    expect(metadata.value.introspectionEndpoint?.href).toBe(`${issuer}/introspect`)
  })

  it.each<[string, FakeAnswer]>([
    ['404', { status: 404 }],
    ['a redirect', { status: 302 }],
    ['HTML', { body: '<!doctype html>' }],
    ['another issuer', { body: JSON.stringify({ ...document, issuer: 'https://other.example' }) }],
    ['no answer', new HttpClientError('unreachable', new URL(inserted), 'ECONNRESET')],
  ])('goes on to the address of OpenID Connect after %s', async (_, answer) => {
    const { client, result } = fetchWith({
      [inserted]: answer,
      [appended]: { body: JSON.stringify(document) },
    })
    expect((await result).ok).toBe(true)
    expect(client.addresses).toEqual([inserted, appended])
  })

  it('says for each address why it failed', async () => {
    const { result } = fetchWith({ [appended]: { status: 500 } })
    expect(await result).toEqual({
      ok: false,
      error: `${inserted}: status 404; ${appended}: status 500`,
    })
  })

  it('asks nobody for an issuer without TLS', async () => {
    const client = createFakeHttpClient(() => ({ body: '{}' }))
    const result = await fetchServerMetadata('http://h.example', {
      client,
      plaintext: false,
      timeoutMs: 3000,
    })
    expect(result.ok).toBe(false)
    expect(client.requests).toEqual([])
  })
})

describe('readServerMetadata', () => {
  it('assumes client_secret_basic when the server names no method', () => {
    const { token_endpoint_auth_methods_supported: _, ...rest } = document
    const read = readServerMetadata(JSON.stringify(rest), issuer, false)
    expect(read.ok && read.value.tokenEndpointAuthMethods).toEqual(['client_secret_basic'])
  })

  it.each([`${issuer}/`, issuer.toUpperCase(), 'https://login.example.com', 1, null, undefined, [issuer]])(
    'refuses a document whose issuer is not identical: %j',
    other => {
      expect(errorOf({ issuer: other })).toMatch(/another issuer/)
      expect(errorOf({})).toBeUndefined()
    },
  )

  it.each([
    'https://evil.example/token',
    'https://login.example.com:8443/token',
    'http://login.example.com/token',
    'https://login.example.com.evil.example/token',
    'https://u@login.example.com/token',
    'file:///etc/passwd',
    '/token',
    1,
    null,
  ])('refuses a document with an endpoint outside the issuer: %j', endpoint => {
    for (const name of ['token_endpoint', 'jwks_uri', 'introspection_endpoint', 'revocation_endpoint']) {
      expect(errorOf({ [name]: endpoint })).toContain(name)
    }
  })

  it('requires the token endpoint and the key set', () => {
    expect(errorOf({ token_endpoint: undefined })).toMatch(/missing/)
    expect(errorOf({ jwks_uri: undefined })).toMatch(/missing/)
    expect(errorOf({ introspection_endpoint: undefined })).toBeUndefined()
  })

  it('refuses a document with a member twice', () => {
    const text = JSON.stringify(document)
    expect(readServerMetadata(text, issuer, false).ok).toBe(true)
    const twice = text.replace('{', `{"jwks_uri":"${issuer}/other",`)
    expect(readServerMetadata(twice, issuer, false).ok).toBe(false)
  })
})
