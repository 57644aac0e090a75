import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { default as Provider } from 'oidc-provider'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createMemoryAdapter } from '../../src/assemble/demo/memory-adapter.ts'
import { startAuthorizationServer, type TestAuthorizationServer } from '../support/authorization-server.ts'
import { requestRaw } from '../support/raw-client.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'

/**
 * A sidecar that asks an issuer which knows nothing of it: `oidc-provider` with opaque access tokens, found by its
 * metadata, once with plain answers and once with signed ones (RFC 9701).
 */

for (const name of ['log', 'info', 'warn', 'error'] as const)
  vi.spyOn(console, name).mockImplementation(() => {})

const server = createServer()
let provider: Provider
let exchange: TestAuthorizationServer
let plain: RunningHop
let signed: RunningHop
let alone: RunningHop
let extraClaims: Record<string, unknown> | undefined

beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { default: OidcProvider } = await import('oidc-provider')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const resourceServer = {
    client_secret: 'test-secret',
    redirect_uris: [],
    response_types: [],
    grant_types: [],
  }
  provider = new OidcProvider(issuer, {
    adapter: createMemoryAdapter(),
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }] },
    clients: [
      {
        client_id: 'shop-web',
        client_secret: 'web-secret',
        redirect_uris: ['http://127.0.0.1/cb'],
        grant_types: ['authorization_code', 'refresh_token'],
      },
      { client_id: 'plain-rs', ...resourceServer },
      { client_id: 'signed-rs', introspection_signed_response_alg: 'RS256', ...resourceServer },
    ],
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      jwtIntrospection: { enabled: true },
    },
    ttl: { AccessToken: 300, RefreshToken: 300 },
    extraTokenClaims: () => extraClaims,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  })
  server.on('request', provider.callback())
  exchange = await startAuthorizationServer()
  plain = await start(issuer, 'plain-rs', false)
  signed = await start(issuer, 'signed-rs', true)
  alone = await startHop(optionsFor(issuer, 'plain-rs', false))
})

afterAll(async () => {
  await Promise.all([plain.close(), signed.close(), alone.close(), exchange.close()])
  server.closeAllConnections()
  server.close()
})

function start(issuer: string, id: string, isSigned: boolean): Promise<RunningHop> {
  const client = `{ secret: "\${TEST_SECRET}" }`
  return startHop({
    ...optionsFor(issuer, id, isSigned),
    exchange: `{ server: '${exchange.issuer}', client: ${client} }`,
  })
}

function optionsFor(issuer: string, id: string, isSigned: boolean): HopOptions {
  const client = `{ id: ${id}, secret: "\${TEST_SECRET}" }`
  const introspection = `{ client: ${client}, signed: ${isSigned}, cache: 0s, negative: 0s }`
  return {
    issuerRules: `  - { issuer: '${issuer}', audience: [shop-web], introspection: ${introspection} }`,
    routes: `
  - { path: /orders/**, audience: orders-api, scope: orders:read, verify: introspection }
  - { path: /mfa/**, audience: orders-api, scope: orders:read, verify: introspection, require: { acr: mfa } }
  - { path: /jwt/**, audience: orders-api, scope: orders:read }
`,
  }
}

interface Granted {
  readonly value: string
  revoke(): Promise<void>
}

async function grant(
  about: {
    kind?: 'AccessToken' | 'RefreshToken'
    audience?: string
    scope?: string
    extra?: Record<string, unknown>
  } = {},
): Promise<Granted> {
  const { kind = 'AccessToken', audience = 'shop-web', scope = 'orders:read', extra } = about
  const client = await provider.Client.find('shop-web')
  if (client === undefined) throw new Error('no client')
  const token = new provider[kind]({ accountId: 'alice', client, scope, gty: 'authorization_code' } as never)
  Object.assign(token, { aud: audience })
  extraClaims = extra
  return { value: await token.save(), revoke: () => token.destroy() }
}

async function get(hop: RunningHop, token: string, path = '/orders/1') {
  const index = hop.lines.length
  const { status, header } = await requestRaw(
    hop.port,
    `GET ${path} HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  const { refusal, detail, inbound } = await hop.event(index)
  return { status, refusal, detail, inbound, challenge: header('www-authenticate') }
}

describe.each([
  ['plain', () => plain],
  ['signed', () => signed],
] as const)('%s answers of an independent issuer', (_, hopOf) => {
  it('let an opaque access token through, and the record says whose it is', async () => {
    const hop = hopOf()
    const { value } = await grant()
    expect(await get(hop, value)).toMatchObject({
      status: 200,
      inbound: { sub: 'alice', client_id: 'shop-web', scope: 'orders:read' },
    })
    expect(exchange.tokenRequests.at(-1)?.form.get('subject_token')).toBe(value)
    expect(hop.lines.join('\n')).not.toContain(value)
    expect((await hop.upstream.request(hop.upstream.requests.length - 1)).raw).not.toContain(value)
  })

  it('let it through no longer once it is revoked', async () => {
    const hop = hopOf()
    const { value, revoke } = await grant()
    expect(await get(hop, value)).toMatchObject({ status: 200 })
    await revoke()
    expect(await get(hop, value)).toMatchObject({ status: 401, refusal: 'token.invalid' })
  })

  it('are about this token and no other', async () => {
    const hop = hopOf()
    const { value } = await grant()
    for (const other of [value.slice(0, -1), `${value}A`]) {
      expect(await get(hop, other)).toMatchObject({ status: 401, refusal: 'token.invalid' })
    }
  })

  it('call a refresh token active, which passes nowhere', async () => {
    const { value } = await grant({ kind: 'RefreshToken' })
    expect(await get(hopOf(), value)).toMatchObject({ status: 401, refusal: 'token.invalid' })
  })

  it('do not make a token good for whom it is not', async () => {
    const { value } = await grant({ audience: 'billing' })
    const answer = await get(hopOf(), value)
    // Signed for this service or not at all: the provider names the audience of the token in its answer.
    expect([401, 503]).toContain(answer.status)
    const { value: weak } = await grant({ scope: 'orders:list' })
    expect(await get(hopOf(), weak)).toMatchObject({ status: 403, refusal: 'policy.scope_missing' })
  })

  it('say how the user authenticated', async () => {
    const hop = hopOf()
    const { value: weak } = await grant({ extra: { acr: 'pwd' } })
    expect(await get(hop, weak, '/mfa/1')).toMatchObject({
      status: 401,
      challenge: 'Bearer realm="orders", error="insufficient_user_authentication", acr_values="mfa"',
    })
    const { value: strong } = await grant({ extra: { acr: 'mfa' } })
    expect(await get(hop, strong, '/mfa/1')).toMatchObject({ status: 200 })
  })

  it('are not asked for on a route that goes by signatures', async () => {
    const { value } = await grant()
    expect(await get(hopOf(), value, '/jwt/1')).toMatchObject({ status: 401, refusal: 'token.invalid' })
  })
})

describe('the token service inside the sidecar', () => {
  it('makes a JWT of an opaque token, which upstream gets', async () => {
    const { value } = await grant({ extra: { acr: 'mfa' } })
    expect(await get(alone, value, '/mfa/1')).toMatchObject({ status: 200 })
    const request = await alone.upstream.request(alone.upstream.requests.length - 1)
    const [, payload = ''] = request.header('authorization')?.split('.') ?? []
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      sub: 'alice',
      aud: 'orders-api',
      act: { sub: 'orders' },
      acr: 'mfa',
    })
    expect([...alone.lines, ...alone.tokenLines, ...alone.log].join('\n')).not.toContain(value)
  })

  it('does not make one of a token that is revoked or made up', async () => {
    const { value, revoke } = await grant()
    await revoke()
    for (const token of [value, 'made-up']) {
      expect(await get(alone, token)).toMatchObject({ status: 401, refusal: 'token.invalid' })
    }
  })
})
