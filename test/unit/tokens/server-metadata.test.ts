import { describe, expect, it } from 'vitest'
import { HttpClientError } from '../../../src/base/http-client.ts'
import {
  fetchServerMetadata,
  type MetadataReader,
  metadataAddresses,
  readKeyLocation,
  readMtlsTokenServer,
  readTokenServer,
} from '../../../src/tokens/server-metadata.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'

const issuer = 'https://login.example.com/realms/shop'
const inserted = 'https://login.example.com/.well-known/oauth-authorization-server/realms/shop'
const appended = `${issuer}/.well-known/openid-configuration`

const document = {
  issuer,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/certs`,
}

function fetchWith(answers: Record<string, FakeAnswer>) {
  const client = createFakeHttpClient(({ url }) => answers[url.href] ?? { status: 404 })
  const request = { client, plaintext: false, timeoutMs: 3000 }
  return { client, result: fetchServerMetadata(issuer, readTokenServer, request) }
}

/** What a reader takes from the document with these members, or why not. */
function read<T>(reader: MetadataReader<T>, members: Record<string, unknown>): T | string {
  const result = reader({ ...document, ...members }, issuer, false)
  return result.ok ? result.value : result.error
}

const readers = { readKeyLocation, readTokenServer }

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
    expect(metadata).toEqual({ ok: true, value: { issuer, tokenEndpoint: new URL(`${issuer}/token`) } })
  })

  it.each<[string, FakeAnswer]>([
    ['404', { status: 404 }],
    ['a redirect', { status: 302 }],
    ['HTML', { body: '<!doctype html>' }],
    ['another issuer', { body: JSON.stringify({ ...document, issuer: 'https://other.example' }) }],
    ['no endpoint', { body: JSON.stringify({ issuer }) }],
    ['a member twice', { body: JSON.stringify(document).replace('{', `{"jwks_uri":"${issuer}/other",`) }],
    ['no answer', new HttpClientError('unreachable', new URL(inserted), 'ECONNRESET')],
  ])('goes on to the address of OpenID Connect after %s', async (_, answer) => {
    const { client, result } = fetchWith({
      [inserted]: answer,
      [appended]: { body: JSON.stringify(document) },
    })
    expect((await result).ok).toBe(true)
    expect(client.addresses).toEqual([inserted, appended])
  })

  it.each([`${issuer}/`, issuer.toUpperCase(), 'https://login.example.com', 1, null, undefined, [issuer]])(
    'refuses a document whose issuer is not identical: %j',
    async other => {
      const { result } = fetchWith({ [inserted]: { body: JSON.stringify({ ...document, issuer: other }) } })
      expect(await result).toMatchObject({ ok: false, error: expect.stringContaining('another issuer') })
    },
  )

  it('says for each address why it failed', async () => {
    const { result } = fetchWith({ [appended]: { status: 500 } })
    expect(await result).toEqual({
      ok: false,
      error: `${inserted}: status 404; ${appended}: status 500`,
    })
  })

  it('asks nobody for an issuer without TLS', async () => {
    const client = createFakeHttpClient(() => ({ body: '{}' }))
    const result = await fetchServerMetadata('http://h.example', readKeyLocation, {
      client,
      plaintext: false,
      timeoutMs: 3000,
    })
    expect(result.ok).toBe(false)
    expect(client.requests).toEqual([])
  })
})

const outside = [
  'https://evil.example/x',
  'https://login.example.com:8443/x',
  'https://login.example.com.evil.example/x',
]
const unacceptable = [
  'http://login.example.com/x',
  'https://u@login.example.com/x',
  'file:///etc/passwd',
  '/x',
  1,
  null,
]

describe('readKeyLocation', () => {
  it('takes the key set of the document', () => {
    expect(read(readKeyLocation, {})).toEqual(new URL(`${issuer}/certs`))
  })

  it.each(['token_endpoint', 'introspection_endpoint', 'revocation_endpoint', 'userinfo_endpoint'])(
    'does not mind a %s that is elsewhere, missing or odd, as hosted login pages have it',
    name => {
      for (const endpoint of [...outside, ...unacceptable, undefined]) {
        expect(read(readKeyLocation, { [name]: endpoint })).toBeInstanceOf(URL)
      }
    },
  )

  it.each(outside)('refuses keys outside the issuer and names the way round: %s', uri => {
    expect(read(readKeyLocation, { jwks_uri: uri })).toBe(
      "jwks_uri is not of the issuer's origin; if it is right, configure keys: { jwks_uri: … }",
    )
  })
})

describe('readTokenServer', () => {
  it.each(outside)('refuses a token endpoint outside the issuer: %s', endpoint => {
    expect(read(readTokenServer, { token_endpoint: endpoint })).toBe(
      "token_endpoint is not of the issuer's origin",
    )
  })

  it.each(outside)('sends nothing to a server whose keys are elsewhere: %s', uri => {
    expect(read(readTokenServer, { jwks_uri: uri })).toBe("jwks_uri is not of the issuer's origin")
  })

  it('does not mind endpoints that nobody uses', () => {
    const unused = { introspection_endpoint: 'https://other.example/i', revocation_endpoint: 1 }
    expect(read(readTokenServer, unused)).toMatchObject({ issuer })
  })
})

describe('every endpoint that is used', () => {
  it.each<[keyof typeof readers, string]>([
    ['readKeyLocation', 'jwks_uri'],
    ['readTokenServer', 'jwks_uri'],
    ['readTokenServer', 'token_endpoint'],
  ])('must be there and have an acceptable URL: %s, %s', (reader, name) => {
    expect(read<unknown>(readers[reader], { [name]: undefined })).toBe(`${name} is missing`)
    for (const endpoint of unacceptable) {
      expect(read<unknown>(readers[reader], { [name]: endpoint })).toBe(`${name} is not an acceptable URL`)
    }
  })
})

describe('readMtlsTokenServer', () => {
  const aliases = (token_endpoint: unknown) => ({ mtls_endpoint_aliases: { token_endpoint } })

  it('takes the endpoint for clients with a certificate where there is one (RFC 8705 §5)', () => {
    expect(read(readMtlsTokenServer, aliases(`${issuer}/mtls/token`))).toMatchObject({
      issuer,
      tokenEndpoint: new URL(`${issuer}/mtls/token`),
    })
    for (const members of [{}, { mtls_endpoint_aliases: {} }, { mtls_endpoint_aliases: 1 }]) {
      expect(read(readMtlsTokenServer, members)).toMatchObject({ tokenEndpoint: new URL(`${issuer}/token`) })
    }
  })

  it('sends nothing to one outside the issuer, and does not fall back to the other', () => {
    for (const endpoint of [...outside, ...unacceptable]) {
      expect(read(readMtlsTokenServer, aliases(endpoint))).toMatch(
        /^token_endpoint of mtls_endpoint_aliases is /,
      )
    }
  })

  it('is not asked for clients without a certificate', () => {
    expect(read(readTokenServer, aliases('https://evil.example/x'))).toMatchObject({
      tokenEndpoint: new URL(`${issuer}/token`),
    })
  })
})
