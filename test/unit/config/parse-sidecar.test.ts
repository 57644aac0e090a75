import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import { goodSidecar, readSidecar } from '../../support/config-text.ts'

describe('a sidecar configuration of seven lines', () => {
  const config = readSidecar(goodSidecar)

  it('has every default', () => {
    const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']
    expect(config).toMatchObject({
      service: 'orders',
      listen: { host: '0.0.0.0', port: 8080 },
      admin: { host: '127.0.0.1', port: 9090 },
      workers: 1,
      cache: {
        redis: undefined,
        prefix: 'hopgate:',
        timeoutMs: 100,
        maxEntries: 10_000,
        maxBytes: 32 * 1024 * 1024,
      },
      limits: {
        headerBytes: 16 * 1024,
        headerCount: 100,
        targetBytes: 8192,
        bodyBytes: undefined,
        tokenBytes: 8192,
        connections: 10_000,
        requestsPerConnection: 10_000,
      },
      timeouts: {
        headersMs: 10_000,
        keepAliveMs: 60_000,
        bodyIdleMs: 60_000,
        upstreamConnectMs: 2000,
        upstreamHeadersMs: 30_000,
        websocketIdleMs: 300_000,
        drainMs: 25_000,
      },
      audit: { file: undefined, queue: 10_000, whenFull: 'count' },
      forwarded: { trustedProxies: [] },
      protectedResource: undefined,
      exchange: { timeoutMs: 5000, marginSeconds: 10, negativeSeconds: 5, actor: 'required', algorithms },
      issuers: [
        {
          issuer: 'https://login.test',
          audience: ['orders'],
          algorithms,
          keys: { kind: 'discovery' },
          types: ['at+jwt', 'jwt', 'none'],
          leewaySeconds: 5,
          maxLifetimeSeconds: 86_400,
          maxActorDepth: 8,
          plaintext: false,
        },
      ],
      routes: [
        {
          kind: 'protected',
          id: '/orders/**',
          match: { path: '/orders/**' },
          audience: 'orders-api',
          scope: ['orders:read'],
          optionalScope: [],
          requestedTokenType: 'urn:ietf:params:oauth:token-type:access_token',
          privileged: false,
          websocket: false,
        },
      ],
    })
    expect(config.upstream.url.href).toBe('http://127.0.0.1:3000/')
  })

  it('runs the token service inside, with exactly what its routes need', () => {
    const { sts, exchange } = config
    expect(sts).toMatchObject({
      issuer: 'http://127.0.0.1:9090',
      keys: undefined,
      maxTtlSeconds: 300,
      maxActorDepth: 8,
      issuers: config.issuers,
      clients: [{ id: 'orders', authentication: { kind: 'secret' }, accepts: ['orders'] }],
    })
    expect([...(sts?.clients[0]?.audiences ?? [])]).toEqual([
      ['orders-api', { scope: ['orders:read'], ttlSeconds: undefined }],
    ])
    expect(exchange.server).toBe('http://127.0.0.1:9090')
    expect(exchange.client).toMatchObject({ id: 'orders', authentication: 'client_secret_basic' })
  })

  it('shares a secret with the token service inside that nobody can guess and that outlives a reload', () => {
    const secretOf = (text: string): string => {
      const { exchange, sts } = readSidecar(text)
      const client = sts?.clients[0]?.authentication
      const own = 'secret' in exchange.client ? exchange.client.secret : undefined
      expect(own).toBeInstanceOf(Secret)
      expect(client?.kind === 'secret' && client.secrets[0]?.text.expose()).toBe(own?.expose())
      return own?.expose() ?? ''
    }
    expect(secretOf(goodSidecar)).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(secretOf(goodSidecar.replace('orders:read', 'orders:write'))).toBe(secretOf(goodSidecar))
  })

  it('is frozen all the way down', () => {
    const seen: unknown[] = []
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || value instanceof URL) return
      seen.push(value)
      expect(Object.isFrozen(value)).toBe(true)
      for (const part of value instanceof Map ? value.values() : Object.values(value)) visit(part)
    }
    visit(config)
    expect(seen.length).toBeGreaterThan(20)
  })
})

describe('a full sidecar configuration', () => {
  const text = `
service: orders
listen: "[::]:8443"
admin: "[::1]:9191"
upstream: https://orders.internal:8443
issuers:
  - issuer: https://login.test/realms/shop
    audience: [shop-web, orders]
    algorithms: [ES256]
    keys: { jwks_uri: "https://login.test/keys?v=1" }
    types: [at+jwt]
    leeway: 0s
    max_lifetime: 1h
    max_actor_depth: 2
  - issuer: legacy-sts
    audience: [orders]
    keys: { file: keys.json }
  - issuer: http://intern.test
    audience: [orders]
    plaintext: true
exchange:
  server: https://hub.test/sts
  client: { id: orders-gate, key: secrets/client.jwk, assertion_audience: token_endpoint }
  timeout: 250ms
  margin: 20s
  negative: 0s
  actor: optional
  algorithms: [EdDSA]
cache: { redis: "rediss://:\${PASSWORD}@redis:6380/1", prefix: "shop:", timeout: 50ms, max_entries: 10, max_bytes: 1MiB }
routes:
  - path: /orders/{id}
    name: order
    host: api.shop.test
    methods: [GET, HEAD, GET]
    audience: orders-api
    resource: https://orders.test/api
    scope: orders:read orders:list
    optional_scope: [billing:read]
    clients: [shop-web]
    allow: subject.tenant == "a"
    ttl: 2m
    requested_token_type: jwt
    privileged: true
    require: { acr: [hwk, mfa, hwk], max_age: 5m }
    websocket: true
    timeout: 90s
  - { path: /healthz, public: true, timeout: 500ms, websocket: { origins: ["https://b.test:8443", "http://[::1]", capacitor://localhost, "http://[::1]"] } }
limits: { headers: 32KiB, header_count: 50, target: 1KiB, body: 1MiB, token: 4KiB, connections: 5, requests_per_connection: 7 }
timeouts: { headers: 1s, keep_alive: 2s, body_idle: 3s, upstream_connect: 4s, upstream_headers: 5s, websocket_idle: 6s, drain: 0s }
audit: { file: logs/audit.jsonl, queue: 5, when_full: refuse }
forwarded: { trusted_proxies: [10.0.0.0/8, "fd00::/8", 192.0.2.1] }
protected_resource: { resource: https://api.example.com/v1, name: Orders, documentation: https://docs.example.com/?v=1 }
`
  const config = readSidecar(text, { PASSWORD: 'pw' }, '/etc/hopgate/c.yaml')

  it('keeps every value, in its unit, with files beside the configuration', () => {
    expect(config).toMatchObject({
      listen: { host: '::', port: 8443 },
      admin: { host: '::1', port: 9191 },
      issuers: [
        {
          issuer: 'https://login.test/realms/shop',
          audience: ['shop-web', 'orders'],
          algorithms: ['ES256'],
          keys: { kind: 'jwks_uri', uri: new URL('https://login.test/keys?v=1') },
          types: ['at+jwt'],
          leewaySeconds: 0,
          maxLifetimeSeconds: 3600,
          maxActorDepth: 2,
        },
        { issuer: 'legacy-sts', keys: { kind: 'file', file: '/etc/hopgate/keys.json' } },
        { issuer: 'http://intern.test', keys: { kind: 'discovery' }, plaintext: true },
      ],
      exchange: {
        server: 'https://hub.test/sts',
        client: {
          id: 'orders-gate',
          authentication: 'private_key_jwt',
          key: '/etc/hopgate/secrets/client.jwk',
          assertionAudience: 'token_endpoint',
        },
        timeoutMs: 250,
        marginSeconds: 20,
        negativeSeconds: 0,
        actor: 'optional',
        algorithms: ['EdDSA'],
        plaintext: false,
      },
      cache: { prefix: 'shop:', timeoutMs: 50, maxEntries: 10, maxBytes: 1024 * 1024 },
      routes: [
        {
          kind: 'protected',
          id: 'order',
          match: { path: '/orders/{id}', host: 'api.shop.test', methods: ['GET', 'HEAD'] },
          audience: 'orders-api',
          resource: 'https://orders.test/api',
          scope: scopeSet(['orders:list', 'orders:read']),
          optionalScope: scopeSet(['billing:read']),
          clients: ['shop-web'],
          allow: 'subject.tenant == "a"',
          ttlSeconds: 120,
          requestedTokenType: 'urn:ietf:params:oauth:token-type:jwt',
          privileged: true,
          require: { acrValues: ['hwk', 'mfa'], maxAgeSeconds: 300 },
          websocket: true,
          timeoutMs: 90_000,
        },
        {
          kind: 'public',
          id: '/healthz',
          match: { path: '/healthz' },
          websocket: true,
          websocketOrigins: ['capacitor://localhost', 'http://[::1]', 'https://b.test:8443'],
          timeoutMs: 500,
        },
      ],
      limits: {
        headerBytes: 32_768,
        headerCount: 50,
        targetBytes: 1024,
        bodyBytes: 1_048_576,
        tokenBytes: 4096,
        connections: 5,
        requestsPerConnection: 7,
      },
      timeouts: {
        headersMs: 1000,
        keepAliveMs: 2000,
        bodyIdleMs: 3000,
        upstreamConnectMs: 4000,
        upstreamHeadersMs: 5000,
        websocketIdleMs: 6000,
        drainMs: 0,
      },
      audit: { file: '/etc/hopgate/logs/audit.jsonl', queue: 5, whenFull: 'refuse' },
      forwarded: { trustedProxies: ['10.0.0.0/8', 'fd00::/8', '192.0.2.1'] },
      protectedResource: {
        resource: 'https://api.example.com/v1',
        name: 'Orders',
        documentation: 'https://docs.example.com/?v=1',
      },
      sts: undefined,
    })
    expect(config.cache.redis?.expose()).toBe('rediss://:pw@redis:6380/1')
  })
})

describe('the client at the authorization server', () => {
  const withClient = (client: string) =>
    readSidecar(`${goodSidecar}exchange: { server: https://hub.test, client: ${client} }\n`, { S: 'shh' })
      .exchange.client

  it('is named after the service and sends its secret in the header, unless told otherwise', () => {
    const client = withClient(`{ secret: "\${S}" }`)
    expect(client).toMatchObject({ id: 'orders', authentication: 'client_secret_basic' })
    expect('secret' in client && client.secret.expose()).toBe('shh')
    expect(withClient(`{ secret: "\${S}", authentication: client_secret_post }`).authentication).toBe(
      'client_secret_post',
    )
  })

  it('signs with its key when it has one, for the issuer', () => {
    expect(withClient('{ id: x, key: /k.jwk }')).toEqual({
      id: 'x',
      authentication: 'private_key_jwt',
      key: '/k.jwk',
      assertionAudience: 'issuer',
    })
  })
})

describe('the token service inside', () => {
  it('limits an audience that routes share to all their scopes and the shortest life', () => {
    const { sts } =
      readSidecar(`${goodSidecar}  - { path: /a, audience: orders-api, scope: a, optional_scope: b c, ttl: 1m }
  - { path: /b, audience: orders-api, ttl: 30s }
  - { path: /c, audience: other }
  - { path: /d, public: true }
`)
    expect([...(sts?.clients[0]?.audiences ?? [])]).toEqual([
      ['orders-api', { scope: ['a', 'b', 'c', 'orders:read'], ttlSeconds: 30 }],
      ['other', { scope: [], ttlSeconds: undefined }],
    ])
  })

  it('knows the resources that the routes of an audience send along', () => {
    const { sts } = readSidecar(`${goodSidecar}  - { path: /a, audience: a, resource: "https://a.test/2" }
  - { path: /b, audience: a, resource: "https://a.test/1" }
  - { path: /c, audience: a }
`)
    expect(sts?.clients[0]?.audiences?.get('a')?.resources).toEqual(['https://a.test/1', 'https://a.test/2'])
    expect(sts?.clients[0]?.audiences?.get('orders-api')).not.toHaveProperty('resources')
  })

  it('takes what sts says and adds further clients', () => {
    const { sts, exchange } = readSidecar(
      `${goodSidecar}sts:
  issuer: http://orders.test:9090
  keys: keys.json
  max_ttl: 1m
  max_actor_depth: 3
  issuers: [{ issuer: https://other.test, audience: [x] }]
  clients: [{ id: billing, secret: "\${S}", accepts: [y], audiences: { z: { scope: a b, ttl: 5s }, w: {} } }]
`,
      { S: 'shh' },
      '/etc/c.yaml',
    )
    expect(sts).toMatchObject({
      issuer: 'http://orders.test:9090',
      keys: '/etc/keys.json',
      maxTtlSeconds: 60,
      maxActorDepth: 3,
      issuers: [{ issuer: 'https://other.test', audience: ['x'] }],
      clients: [{ id: 'orders' }, { id: 'billing', accepts: ['y'] }],
    })
    expect([...(sts?.clients[1]?.audiences ?? [])]).toEqual([
      ['z', { scope: ['a', 'b'], ttlSeconds: 5 }],
      ['w', { scope: [], ttlSeconds: undefined }],
    ])
    expect(exchange.server).toBe('http://orders.test:9090')
  })

  it('is found under the port of admin', () => {
    expect(readSidecar(`${goodSidecar}admin: 0.0.0.0:9191\n`).sts?.issuer).toBe('http://127.0.0.1:9191')
  })
})

describe('a route without a name', () => {
  it.each([
    ['{ path: /a, public: true }', '/a'],
    ['{ path: /a, methods: [GET, POST], public: true }', 'GET,POST /a'],
    ['{ path: /a, host: h.test, methods: [GET], public: true }', 'GET h.test/a'],
  ])('%s is called %s', (route, id) => {
    expect(readSidecar(`${goodSidecar}  - ${route}\n`).routes[1]?.id).toBe(id)
  })
})
