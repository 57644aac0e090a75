import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { goodSidecar, readSidecar, sidecarProblems } from '../../support/config-text.ts'

const env = { S: 'hunter2' }
const client = `client: { secret: "\${S}" }`

/** The good configuration with `introspection` of its issuer (line 6), and further issuers after it. */
function withIntrospection(text: string, ...more: readonly string[]): string {
  const [head, tail] = goodSidecar.split('routes:\n')
  const issuers = more.map(issuer => `  - { audience: [orders], ${issuer} }\n`).join('')
  return `${head}    introspection: { ${text} }\n${issuers}routes:\n${tail}`
}

const introspectionOf = (text: string) =>
  readSidecar(text, env).issuers.map(({ introspection }) => introspection)

describe('introspection of an issuer', () => {
  it('has a default for everything but the client', () => {
    expect(introspectionOf(withIntrospection(client))).toEqual([
      {
        endpoint: undefined,
        client: { id: 'orders', authentication: 'client_secret_basic', secret: new Secret('hunter2') },
        opaque: true,
        signed: false,
        tokenType: 'required',
        cacheMs: 5_000,
        negativeMs: 5_000,
        timeoutMs: 2_000,
      },
    ])
    expect(readSidecar(goodSidecar).issuers[0]).not.toHaveProperty('introspection')
  })

  it('takes everything that can be said', () => {
    const said =
      'endpoint: "https://login.test/ask?x=1", client: { id: rs, key: k.json, assertion_audience: token_endpoint }, ' +
      'opaque: false, signed: true, token_type: optional, cache: 0s, negative: 1s, timeout: 500ms'
    expect(introspectionOf(withIntrospection(said))).toMatchObject([
      {
        endpoint: new URL('https://login.test/ask?x=1'),
        client: { id: 'rs', authentication: 'private_key_jwt', assertionAudience: 'token_endpoint' },
        opaque: false,
        signed: true,
        tokenType: 'optional',
        cacheMs: 0,
        negativeMs: 1_000,
        timeoutMs: 500,
      },
    ])
  })

  it('is for tokens that are no JWT only where it is clear whose they are', () => {
    const b = `issuer: https://b.test, introspection: { ${client} }`
    const opaque = (text: string) => introspectionOf(text).map(introspection => introspection?.opaque)
    expect(opaque(withIntrospection(client, 'issuer: https://b.test'))).toEqual([true, undefined])
    expect(opaque(withIntrospection(client, b))).toEqual([false, false])
    expect(opaque(withIntrospection(`${client}, opaque: true`, b))).toEqual([true, false])
  })

  it.each<[string, string, string]>([
    [
      'two issuers for tokens that are no JWT',
      withIntrospection(
        `${client}, opaque: true`,
        `issuer: https://b.test, introspection: { ${client}, opaque: true }`,
      ),
      'issuers[1].introspection.opaque: found true, as in issuers[0]; expected true for one issuer at most',
    ],
    [
      'no client',
      withIntrospection('cache: 1s'),
      'issuers[0].introspection.client: found nothing; expected a mapping',
    ],
    [
      'a literal secret',
      withIntrospection('client: { secret: hunter2 }'),
      `issuers[0].introspection.client.secret: found a literal secret; expected \${NAME} or { file: PATH }`,
    ],
    [
      'plain text to another machine',
      withIntrospection(`${client}, endpoint: "http://login.test/ask"`),
      'issuers[0].introspection.endpoint: found a value, which is http: to another machine; expected https:, or plaintext: true beside it',
    ],
    [
      'an issuer that is no URL',
      withIntrospection(client, `issuer: me, keys: { file: k }, introspection: { ${client} }`),
      'issuers[1].introspection: found an issuer that is no URL, so that no endpoint can be found by it; expected endpoint in it',
    ],
    [
      'a cache of an hour',
      withIntrospection(`${client}, cache: 1h`),
      'issuers[0].introspection.cache: found "1h", which is out of range; expected a duration such as 30s, from 0s to 1m',
    ],
    [
      'a route that nobody can be asked for',
      goodSidecar.replace('audience: orders-api', 'audience: orders-api, verify: both'),
      'routes[0].verify: found both, and no issuer that can be asked; expected introspection at an issuer, or jwt',
    ],
  ])('is refused with %s', (_, text, problem) => {
    expect(sidecarProblems(text, env).map(line => line.replace(/^c\.yaml:\d+:\d+: /, ''))).toEqual([problem])
  })

  it('is a part of the policy, but for its secret and its time limit', () => {
    const digest = (text: string, secret = 'a') =>
      readSidecar(withIntrospection(text), { S: secret }).policyDigest
    const plain = digest(client)
    expect(digest(client, 'b')).toBe(plain)
    expect(digest(`${client}, timeout: 1s`)).toBe(plain)
    const others = [
      'signed: true',
      'cache: 1s',
      'opaque: false',
      'token_type: optional',
      'endpoint: "https://a.test/"',
    ]
    const digests = others.map(text => digest(`${client}, ${text}`))
    expect(new Set([plain, readSidecar(goodSidecar).policyDigest, ...digests]).size).toBe(others.length + 2)
  })
})

describe('verify of a route', () => {
  it('is jwt unless something else is said', () => {
    const routes = `${withIntrospection(client)}  - { path: /a, audience: a, verify: introspection }
  - { path: /b, audience: b, verify: both }
`
    expect(readSidecar(routes, env).routes).toMatchObject([
      { verify: 'jwt' },
      { verify: 'introspection' },
      { verify: 'both' },
    ])
  })

  it('is a part of the policy', () => {
    const digest = (verify: string) => {
      const route = `  - { path: /a, audience: a, verify: ${verify} }\n`
      return readSidecar(`${withIntrospection(client)}${route}`, env).policyDigest
    }
    expect(new Set(['jwt', 'introspection', 'both'].map(digest)).size).toBe(3)
  })
})
