import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { grantType } from '../../../src/oauth/grant-type.ts'
import { goodHub, hubProblems, readHub } from '../../support/config-text.ts'

const env = { ORDERS_SECRET: 'shh' }
const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })

describe('a hub configuration', () => {
  it('has every default', () => {
    const hub = readHub(goodHub, env)
    expect(hub).toMatchObject({
      listen: { host: '0.0.0.0', port: 8080 },
      admin: { host: '127.0.0.1', port: 9090 },
      redis: undefined,
      audit: { file: undefined, queue: 10_000, whenFull: 'count' },
      sts: {
        issuer: 'https://hub.test',
        keys: undefined,
        maxTtlSeconds: 300,
        maxActorDepth: 8,
        issuers: [{ issuer: 'https://login.test', audience: ['shop-web'] }],
        clients: [{ id: 'orders', accepts: [], rateLimit: { requests: 1_000, perSeconds: 1 } }],
      },
    })
    const [client] = hub.sts.clients
    expect(client?.authentication.kind === 'secret' && client.authentication.secrets[0]?.text.expose()).toBe(
      'shh',
    )
    expect([...(client?.audiences ?? [])]).toEqual([
      ['orders-api', { scope: ['orders:read'], ttlSeconds: 60 }],
    ])
    expect(Object.isFrozen(hub.sts.clients)).toBe(true)
  })

  it('has one rate limit for all clients, and another for the client that has its own', () => {
    const limitsOf = (text: string) => readHub(text, env).sts.clients.map(client => client.rateLimit)
    const shared = goodHub.replace('  clients:', '  rate_limit: { requests: 60, per: 1m }\n  clients:')
    const own = `    - { id: b, secret: "\${ORDERS_SECRET}", audiences: {}, rate_limit: { requests: 5 } }\n`
    const [usual, special] = [
      { requests: 60, perSeconds: 60 },
      { requests: 5, perSeconds: 1 },
    ]
    expect(limitsOf(shared)).toEqual([usual])
    expect(limitsOf(`${shared}${own}`)).toEqual([usual, special])
    const none = hubProblems(shared.replace('requests: 60', 'requests: 0'), env).join()
    expect(none).toContain('expected a whole number from 1 to 1000000')
  })

  it('gives clients the grants, and has the trust domain and the tickets, that it names', () => {
    expect(readHub(goodHub, env).sts).not.toHaveProperty('tickets')
    expect(readHub(goodHub, env).sts).not.toHaveProperty('transactionDomain')
    expect(readHub(goodHub, env).sts.clients[0]).not.toHaveProperty('grants')
    const rules = '{ issue: [{ audience: jobs-api, purposes: [export], scope: jobs:run, ttl: 1h }] }'
    const text = goodHub
      .replace(
        '  clients:',
        `  trust_domain: shop.test\n  tickets: { key: "\${TICKETS}", ttl: 2h }\n  clients:`,
      )
      .concat(`      grants: [token_exchange, client_credentials, jwt_bearer]\n      tickets: ${rules}\n`)
    const { sts } = readHub(text, { ...env, TICKETS: 'k'.repeat(32) })
    expect(sts).toMatchObject({ transactionDomain: 'shop.test', tickets: { ttlSeconds: 7_200 } })
    expect(sts.tickets?.key.expose()).toBe('k'.repeat(32))
    expect(sts.clients[0]).toMatchObject({
      grants: [grantType.tokenExchange, grantType.clientCredentials, grantType.jwtBearer],
      tickets: {
        issue: [{ audience: 'jobs-api', purposes: ['export'], scope: ['jobs:run'], ttlSeconds: 3_600 }],
        redeem: [],
      },
    })
    expect(hubProblems(text, { ...env, TICKETS: 'canary' }).join()).toMatch(
      /sts\.tickets\.key: found a secret of 6 characters; expected 32 characters or more/,
    )
  })

  it('takes the resource of an audience, in canonical form', () => {
    const withResource = (resource: string) => goodHub.replace('ttl: 1m', `ttl: 1m, resource: "${resource}"`)
    const [client] = readHub(withResource('https://orders.test/v1'), env).sts.clients
    expect(client?.audiences?.get('orders-api')?.resources).toEqual(['https://orders.test/v1'])
    for (const wrong of [
      '/v1',
      'https://orders.test/v1#x',
      'https://orders.test/a/../b',
      'https://Orders.test',
    ]) {
      expect(hubProblems(withResource(wrong), env).join()).toContain(
        'expected an absolute URI without fragment',
      )
    }
  })

  it('takes the keys of clients from the file itself or from files beside it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hopgate-hub-'))
    writeFileSync(join(folder, 'orders.jwks'), JSON.stringify({ keys: [publicKey] }))
    const inline = JSON.stringify({ keys: [publicKey] })
    for (const jwks of ['{ file: orders.jwks }', `{ inline: ${inline} }`]) {
      const text = goodHub.replace(/secret: .*/, `jwks: ${jwks}`)
      const [client] = readHub(`${text}redis: redis://redis\n`, {}, join(folder, 'hub.yaml')).sts.clients
      expect(client?.authentication).toEqual({ kind: 'private_key_jwt', jwks: { keys: [publicKey] } })
    }
  })

  it('refuses keys of clients that may not verify signatures, and says where they are', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hopgate-hub-'))
    const file = join(folder, 'hub.yaml')
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
    const set = JSON.stringify({ keys: [publicKey, { ...short, kid: 'short' }] })
    writeFileSync(join(folder, 'orders.jwks'), set)
    for (const [name, value] of [
      ['file', 'orders.jwks'],
      ['inline', set],
    ] as const) {
      const text = goodHub.replace(/secret: .*/, `jwks: { ${name}: ${value} }`)
      const [problem] = hubProblems(text, {}, file)
      expect(problem).toContain(`:6:`)
      expect(problem).toMatch(
        new RegExp(`sts\\.clients\\[0\\]\\.jwks\\.${name}: found a key that is not usable \\(.*short.*1024`),
      )
    }
  })

  it('reads the names of audiences as text, whatever they look like', () => {
    const names = ['123', 'true', 'null', 'constructor']
    const text = goodHub.replace(/audiences: .*/, `audiences: { ${names.join(': {}, ')}: {} }`)
    expect([...(readHub(text, env).sts.clients[0]?.audiences?.keys() ?? [])]).toEqual(names)
  })

  it.each([
    ['not-json', '{', 'does not hold one'],
    ['no-keys', '{"keys":[]}', 'does not hold one'],
    ['private', JSON.stringify({ keys: [{ ...publicKey, d: 'hunter2' }] }), 'does not hold one'],
    ['shared', JSON.stringify({ keys: [{ kty: 'oct', k: 'hunter2' }] }), 'does not hold one'],
    ['missing', undefined, 'does not exist'],
  ])('refuses the key set file %s', (name, content, reason) => {
    const folder = mkdtempSync(join(tmpdir(), 'hopgate-hub-'))
    if (content !== undefined) writeFileSync(join(folder, name), content)
    const file = join(folder, 'hub.yaml')
    const text = goodHub.replace(/secret: .*/, `jwks: { file: ${name} }`)
    expect(hubProblems(text, {}, file)).toEqual([
      `${file}:6:21: sts.clients[0].jwks.file: found a file that ${reason}; expected a JWK set of public keys`,
    ])
  })

  it.each([
    ['sts: {}\n', 'c.yaml:1:6: sts.issuer: found nothing; expected an https: URL without query'],
    ['listen: 0.0.0.0:1\n', 'c.yaml:1:1: sts: found nothing; expected a mapping'],
    [
      `${goodHub}routes: []\n`,
      'c.yaml:8:1: routes: found an unknown key; expected one of listen, admin, redis, audit, policy, environment, sts',
    ],
    [
      goodHub.replace('[{ issuer', '[] # [{ issuer'),
      'c.yaml:3:12: sts.issuers: found an empty list; expected a list of issuers',
    ],
    [
      `${goodHub}admin: 127.0.0.1:8080\n`,
      'c.yaml:8:8: admin: found the port of listen; expected another port',
    ],
    [
      goodHub.replace(/secret: .*/, 'accepts: [x]'),
      'c.yaml:5:7: sts.clients[0]: found none of secret, secret_hash, jwks, tls_client_auth, self_signed_tls_client_auth, kubernetes, spiffe_jwt, spiffe_x509; expected exactly one of secret, secret_hash, jwks, tls_client_auth, self_signed_tls_client_auth, kubernetes, spiffe_jwt, spiffe_x509',
    ],
    [
      goodHub.replace('accepts', 'accepts').replace(/(\n {6}secret: .*)/, '$1\n      jwks: { file: x }'),
      'c.yaml:7:7: sts.clients[0].jwks: found this beside secret; expected exactly one of secret, secret_hash, jwks, tls_client_auth, self_signed_tls_client_auth, kubernetes, spiffe_jwt, spiffe_x509',
    ],
    [
      goodHub.replace('orders-api:', '"a b":'),
      'c.yaml:7:20: sts.clients[0].audiences["a b"]: found "a b"; expected an audience: visible ASCII without blanks',
    ],
    [
      goodHub.replace('ttl: 1m', 'tll: 1m'),
      'c.yaml:7:54: sts.clients[0].audiences.orders-api.tll: found an unknown key; expected one of scope, resource, ttl; did you mean "ttl"?',
    ],
    [
      `${goodHub}    - { id: orders, secret: "\${ORDERS_SECRET}", audiences: {} }\n`,
      'c.yaml:8:13: sts.clients[1].id: found the same as in entry 0; expected each once',
    ],
  ])('refuses %j', (text, problem) => {
    expect(hubProblems(text, env)).toContain(problem)
  })
})
