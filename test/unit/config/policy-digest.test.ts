import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { canonicalJson } from '../../../src/config/policy-digest.ts'
import { goodSidecar, readSidecar } from '../../support/config-text.ts'

const digest = (text: string, env = {}) => readSidecar(text, env).policyDigest

describe('the policy digest', () => {
  const routes = `${goodSidecar}  - { path: /a, audience: x, scope: a b, clients: [c], allow: "true", ttl: 30s }
  - { path: /b, public: true }
`
  const server = (client: string) =>
    `${goodSidecar}exchange: { server: https://hub.test, client: ${client} }\n`

  it('is the same for the same policy, however it is written', () => {
    expect(digest(routes)).toMatch(/^[0-9a-f]{64}$/)
    const [head, tail] = [
      routes.slice(0, routes.indexOf('  - { path: /a')),
      routes.slice(routes.indexOf('  - { path: /a')),
    ]
    const reordered = `${head}${tail.trimEnd().split('\n').reverse().join('\n')}\n# a comment\n`
    expect(digest(reordered.replace('scope: a b', 'scope: [b, a, a]'))).toBe(digest(routes))
  })

  it('is another when anything that decides is another', () => {
    const changes: [string, string][] = [
      ['https://login.test', 'https://other.test'],
      ['audience: [orders]', 'audience: [orders, more]'],
      ['audience: [orders]', 'audience: [orders]\n    leeway: 6s'],
      ['audience: [orders]', 'audience: [orders]\n    algorithms: [ES256]'],
      ['audience: [orders]', 'audience: [orders]\n    keys: { file: k }'],
      ['path: /a', 'path: /a2'],
      ['audience: x', 'audience: y'],
      ['scope: a b', 'scope: a'],
      ['clients: [c]', 'clients: [d]'],
      ['"true"', '"false"'],
      ['ttl: 30s', 'ttl: 31s'],
      ['ttl: 30s', 'ttl: 30s, require: { acr: mfa }'],
      ['ttl: 30s', 'ttl: 30s, require: { max_age: 5m }'],
      ['path: /b, public: true', 'path: /b, audience: x'],
      ['ttl: 30s', 'ttl: 30s, mode: machine'],
      ['service: orders', 'service: orders\ncontext: { trust_domain: shop.test }'],
      ['service: orders', 'service: orders\nsts: { trust_domain: shop.test }'],
      ['path: /b, public: true', 'path: /b, public: true, websocket: true'],
      ['path: /b, public: true', 'path: /b, public: true, websocket: { origins: [https://a.test] }'],
      ['service: orders', 'service: orders2'],
      ['service: orders', 'service: orders\nsts: { max_ttl: 1m }'],
      ['service: orders', 'service: orders\nexchange: { actor: optional }'],
      ['service: orders', 'service: orders\nexchange: { algorithms: [ES256] }'],
    ]
    const digests = changes.map(([from, to]) => {
      const changed = routes.replace(from, to)
      expect(changed).not.toBe(routes)
      return digest(changed)
    })
    expect(new Set([...digests, digest(routes)]).size).toBe(changes.length + 1)
  })

  it('is another when other clients, or others who vouch for them, may come to the token service inside', () => {
    const inside = (client: string, more = '') =>
      `${goodSidecar}sts:\n  clients: [ { id: batch, audiences: {}, ${client} } ]\n  clusters: [ { issuer: https://k8s.test${more} } ]
  trust_domains: [ { name: example.org, bundle: { file: b.json } } ]\n`
    const env = { S: 'one' }
    const texts = [
      inside('kubernetes: { namespace: a, service_account: b }'),
      inside('kubernetes: { namespace: a, service_account: c }'),
      inside('kubernetes: { namespace: a, service_account: b }', ', max_lifetime: 1h'),
      inside('spiffe_jwt: spiffe://example.org/a'),
      inside(`secret: "\${S}"`),
      inside(`secret: "\${S}", authentication: client_secret_post`),
    ]
    expect(new Set(texts.map(text => digest(text, env))).size).toBe(texts.length)
  })

  it('is another when a route has dual identity, or a client other grants or tickets', () => {
    const dual = `${routes}context: { trust_domain: shop.test }\n`
    expect(digest(dual.replace('ttl: 30s', 'ttl: 30s, identity: dual'))).not.toBe(digest(dual))
    const client = (more: string) =>
      digest(`${goodSidecar}sts: { clients: [{ id: b, secret: "\${S}", audiences: {}${more} }] }\n`, {
        S: 's',
      })
    const rule = '{ audience: a, purposes: [p] }'
    const digests = [
      '',
      ', grants: [jwt_bearer]',
      `, tickets: { issue: [${rule}] }`,
      `, tickets: { redeem: [${rule}] }`,
    ]
    expect(new Set(digests.map(client)).size).toBe(4)
  })

  it('does not hang on secrets, limits or addresses', () => {
    const client = `{ secret: "\${S}" }`
    expect(digest(server(client), { S: 'one' })).toBe(digest(server(client), { S: 'two' }))
    const other = `${goodSidecar.replace('3000', '3001')}listen: 0.0.0.0:1\nlimits: { body: 1KiB }\naudit: { queue: 1 }\n`
    expect(digest(other)).toBe(digest(goodSidecar))
    const limited = `${goodSidecar}sts: { rate_limit: { requests: 1 } }\n`
    expect(digest(limited)).toBe(digest(goodSidecar))
    const patient = routes
      .replace('ttl: 30s', 'ttl: 30s, timeout: 9s')
      .replace('public: true', 'public: true, timeout: 1s')
    expect(digest(patient)).toBe(digest(routes))
    const sts = (secret: string) =>
      digest(`${goodSidecar}sts: { clients: [{ id: b, secret: "\${S}", audiences: {} }] }\n`, { S: secret })
    expect(sts('one')).toBe(sts('two'))
  })

  it('tells clients apart', () => {
    expect(digest(server('{ id: a, key: k }'))).not.toBe(digest(server('{ id: b, key: k }')))
  })
})

describe('canonicalJson', () => {
  it('sorts keys, leaves out what is undefined and opens no secret', () => {
    const value = {
      b: [1, null, 'x'],
      a: undefined,
      c: new Map([['z', { q: 1 }]]),
      aa: new URL('https://a.test'),
    }
    expect(canonicalJson(value)).toBe('{"aa":"https://a.test/","b":[1,null,"x"],"c":{"z":{"q":1}}}')
    expect(canonicalJson({ y: 2, x: 1 })).toBe(canonicalJson({ x: 1, y: 2 }))
    expect(canonicalJson({ s: new Secret('hunter2') })).toBe('{"s":"[secret]"}')
  })
})
