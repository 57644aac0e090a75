import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { StsClient } from '../../src/config/sidecar-config.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startHop } from '../support/start-hop.ts'
import { type HubOptions, type RunningHubs, startHubs } from '../support/start-hub.ts'
import { billingSecret, decodeClaims, ordersSecret, secretAuthentication } from '../support/token-service.ts'

const insecure = { [oauth.allowInsecureRequests]: true } as const
const asOrders = { client: { client_id: 'orders' }, authentication: oauth.ClientSecretBasic(ordersSecret) }
const asBilling = {
  client: { client_id: 'billing' },
  authentication: oauth.ClientSecretPost(billingSecret),
}
type Caller = typeof asOrders

let hubs: RunningHubs
afterEach(() => hubs.close())

async function start(options: HubOptions = {}): Promise<oauth.AuthorizationServer> {
  hubs = await startHubs(options)
  return discover(hubs.issuer)
}

async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
  return oauth.processDiscoveryResponse(url, response)
}

/** What the metadata of the first replica says, with the endpoints of another. */
function atReplica(server: oauth.AuthorizationServer, index: number): oauth.AuthorizationServer {
  const { origin } = new URL(server.issuer)
  const url = hubs.replicas[index]?.url ?? ''
  return JSON.parse(
    JSON.stringify(server, (name, value) =>
      name.endsWith('_endpoint') || name === 'jwks_uri' ? String(value).replace(origin, url) : value,
    ),
  )
}

async function exchange(
  server: oauth.AuthorizationServer,
  { client, authentication }: Caller,
  audience: string,
  subject?: string,
): Promise<string> {
  const form = {
    subject_token: subject ?? (await hubs.login.sign({ aud: 'orders', scope: 'orders:read' })),
    subject_token_type: tokenType.accessToken,
    audience,
    scope: 'orders:read',
  }
  const response = await oauth.genericTokenEndpointRequest(
    server,
    client,
    authentication,
    grantType.tokenExchange,
    form,
    insecure,
  )
  return (await oauth.processGenericTokenEndpointResponse(server, client, response)).access_token
}

async function introspect(
  server: oauth.AuthorizationServer,
  { client, authentication }: Caller,
  token: string,
  requestJwtResponse = false,
): Promise<oauth.IntrospectionResponse> {
  const response = await oauth.introspectionRequest(server, client, authentication, token, {
    requestJwtResponse,
    ...insecure,
  })
  return oauth.processIntrospectionResponse(server, client, response)
}

async function revoke(
  server: oauth.AuthorizationServer,
  { client, authentication }: Caller,
  token: string,
): Promise<void> {
  const response = await oauth.revocationRequest(server, client, authentication, token, insecure)
  await oauth.processRevocationResponse(response)
}

describe('an independent client (oauth4webapi)', () => {
  it.each([
    ['JSON', false],
    ['a signed JWT', true],
  ])('finds the endpoint, and reads an answer in %s', async (_, isSigned) => {
    const server = await start()
    const token = await exchange(server, asOrders, 'billing')
    const answer = await introspect(server, asBilling, token, isSigned)
    expect(answer).toMatchObject({ ...decodeClaims(token), active: true, token_type: 'Bearer' })
    expect(await introspect(server, asBilling, 'nonsense', isSigned)).toEqual({ active: false })
    expect(await introspect(server, asBilling, await hubs.login.sign(), isSigned)).toEqual({ active: false })
    const events = await hubs.finish()
    expect(events.map(event => [event.type, event.data['endpoint'], event.data['detail']])).toEqual([
      ['io.hopgate.token.issued.v1', 'token', undefined],
      ['io.hopgate.token.inactive.v1', 'introspection', 'not three parts'],
      ['io.hopgate.token.inactive.v1', 'introspection', 'it is from another issuer'],
    ])
  })

  it('verifies the signature of a signed answer with the published keys', async () => {
    const server = await start()
    const token = await exchange(server, asOrders, 'billing')
    const { client, authentication } = asBilling
    const response = await oauth.introspectionRequest(server, client, authentication, token, {
      requestJwtResponse: true,
      ...insecure,
    })
    await oauth.processIntrospectionResponse(server, client, response)
    await oauth.validateApplicationLevelSignature(server, response, insecure)
  })

  it('revokes, and what was exchanged from the token is dead too', async () => {
    const server = await start()
    const parent = await exchange(server, asOrders, 'billing')
    const child = await exchange(server, asBilling, 'orders', parent)
    await revoke(server, asOrders, parent)
    expect(await introspect(server, asBilling, parent)).toEqual({ active: false })
    expect(await introspect(server, asOrders, child)).toEqual({ active: false })
    await expect(exchange(server, asOrders, 'billing', child)).rejects.toMatchObject({
      error: 'invalid_request',
    })
    const events = await hubs.finish()
    expect(events.map(event => event.type.split('.').at(-2))).toEqual([
      'issued',
      'issued',
      'revoked',
      'inactive',
      'inactive',
      'refused',
    ])
    expect(events[2]?.data).toMatchObject({ client_id: 'orders', jti: decodeClaims(parent)['jti'] })
    expect(JSON.stringify(events)).not.toMatch(/eyJ[\w-]*\./)
  })

  it('is told that it may not: neither without its secret nor for the token of another client', async () => {
    const server = await start()
    const token = await exchange(server, asOrders, 'billing')
    const stranger = { ...asBilling, authentication: oauth.ClientSecretPost('wrong') }
    await expect(introspect(server, stranger, token)).rejects.toMatchObject({ status: 401 })
    await expect(revoke(server, stranger, token)).rejects.toMatchObject({ status: 401 })
    await expect(revoke(server, asBilling, token)).rejects.toMatchObject({
      status: 400,
      error: 'unauthorized_client',
    })
    expect(await introspect(server, asBilling, token)).toMatchObject({ active: true })
  })

  it('counts every answer, the good ones included, on the admin port', async () => {
    const server = await start()
    const token = await exchange(server, asOrders, 'billing')
    await introspect(server, asBilling, token)
    await introspect(server, asBilling, 'nonsense')
    await revoke(server, asOrders, token)
    const metrics = await (await fetch(`${hubs.replicas[0]?.hub.adminUrl}/metrics`)).text()
    for (const [endpoint, kind] of [
      ['token', 'issued'],
      ['introspection', 'active'],
      ['introspection', 'inactive'],
      ['revocation', 'revoked'],
    ]) {
      const labels = `{endpoint="${endpoint}",kind="${kind}",error="none"}`
      expect(metrics).toContain(`hopgate_token_service_answers_total${labels} 1`)
    }
  })
})

describe('another independent client (openid-client)', () => {
  const configure = (id: string, secret: string, checksSignatures = false) =>
    openid.discovery(new URL(hubs.issuer), id, secret, openid.ClientSecretBasic(secret), {
      algorithm: 'oauth2',
      execute: [
        openid.allowInsecureRequests,
        ...(checksSignatures ? [openid.enableNonRepudiationChecks] : []),
      ],
    })

  it('finds the endpoints, introspects, revokes, and is told what it may not', async () => {
    const token = await exchange(await start(), asOrders, 'billing')
    const orders = await configure('orders', ordersSecret)
    const billing = await configure('billing', billingSecret, true)
    const answer = await openid.tokenIntrospection(billing, token)
    expect(answer).toMatchObject({ active: true, sub: 'alice', aud: 'billing', client_id: 'orders' })
    await expect(openid.tokenRevocation(billing, token)).rejects.toMatchObject({
      error: 'unauthorized_client',
    })
    const wrong = await configure('orders', 'wrong')
    await expect(openid.tokenRevocation(wrong, token)).rejects.toThrow()
    expect(await openid.tokenIntrospection(billing, token)).toMatchObject({ active: true })
    await openid.tokenRevocation(orders, token)
    expect(await openid.tokenIntrospection(billing, token)).toEqual({ active: false })
  })
})

describe('a sidecar that asks the hub about tokens', () => {
  const secret = secretAuthentication('test-secret')
  const audience = (name: string) =>
    new Map([[name, { scope: ['orders:read'], ttlSeconds: undefined }]] as const)
  const clients: StsClient[] = [
    {
      id: 'orders',
      authentication: secretAuthentication(ordersSecret),
      accepts: [],
      audiences: audience('billing'),
    },
    { id: 'billing', authentication: secret, accepts: [], audiences: audience('ledger') },
  ]

  it.each([
    ['introspection', 'JSON', false],
    ['introspection', 'signed JWTs', true],
    ['both', 'signed JWTs', true],
  ])(
    'by verify: %s, answered in %s, lets a token of the hub pass until it is revoked',
    async (verify, _, signed) => {
      const server = await start({ sts: { clients } })
      const own = `{ id: billing, secret: "\${TEST_SECRET}" }`
      const introspection = `{ client: ${own}, signed: ${signed}, cache: 0s, negative: 0s }`
      const hop = await startHop({
        issuerRules: `  - { issuer: '${hubs.issuer}', audience: [billing], introspection: ${introspection} }`,
        exchange: `{ server: '${hubs.issuer}', client: ${own} }`,
        routes: `  - { path: /ledger/**, audience: ledger, scope: orders:read, verify: ${verify} }`,
      })
      try {
        const get = (token: string) =>
          fetch(`${hop.url}/ledger/1`, { headers: { authorization: `Bearer ${token}` } })
        const token = await exchange(server, asOrders, 'billing')
        const spare = await exchange(server, asOrders, 'billing')
        expect((await get(token)).status).toBe(200)
        const [forwarded] = hop.upstream.requests
        const issued = forwarded?.header('authorization')?.slice('Bearer '.length) ?? ''
        expect(decodeClaims(issued)).toMatchObject({
          aud: 'ledger',
          act: { sub: 'billing', act: { sub: 'orders' } },
        })
        await revoke(server, asOrders, token)
        expect((await get(token)).status).toBe(401)
        expect((await get(spare)).status).toBe(200)
        expect(hop.upstream.requests).toHaveLength(2)
      } finally {
        await hop.close()
      }
    },
  )
})

describe('two hubs with one Redis', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis({ faults: true })
  })
  afterAll(() => redis.stop())

  it('are one: a token that was revoked at one is dead at the other, with its descendants', async () => {
    const one = await start({ replicas: 2, redis: redis.url })
    const other = atReplica(one, 1)
    const parent = await exchange(one, asOrders, 'billing')
    const child = await exchange(other, asBilling, 'orders', parent)
    expect(await introspect(other, asBilling, parent)).toMatchObject({ active: true })
    expect(await introspect(one, asOrders, child)).toMatchObject({ active: true })
    await revoke(one, asOrders, parent)
    for (const server of [one, other]) {
      expect(await introspect(server, asBilling, parent)).toEqual({ active: false })
      expect(await introspect(server, asOrders, child)).toEqual({ active: false })
      await expect(exchange(server, asBilling, 'orders', parent)).rejects.toMatchObject({ status: 400 })
      await expect(exchange(server, asOrders, 'billing', child)).rejects.toMatchObject({ status: 400 })
    }
  })

  it('leave alive what the revoked token was exchanged from', async () => {
    const one = await start({ replicas: 2, redis: redis.url })
    const other = atReplica(one, 1)
    const parent = await exchange(one, asOrders, 'billing')
    const child = await exchange(other, asBilling, 'orders', parent)
    await revoke(one, asBilling, child)
    expect(await introspect(other, asOrders, child)).toEqual({ active: false })
    expect(await introspect(other, asBilling, parent)).toMatchObject({ active: true })
  })

  it('say that they cannot know while Redis is gone, exchange tokens from elsewhere, and recover', async () => {
    const server = await start({ redis: redis.url })
    const token = await exchange(server, asOrders, 'billing')
    await redis.stop()
    const later = { cause: { status: 503 } }
    await expect(introspect(server, asBilling, token)).rejects.toMatchObject(later)
    await expect(revoke(server, asOrders, token)).rejects.toMatchObject(later)
    await expect(exchange(server, asBilling, 'orders', token)).rejects.toMatchObject(later)
    await exchange(server, asOrders, 'billing')
    await redis.restart()
    const outcome = () => introspect(server, asBilling, token).catch(() => undefined)
    await expect.poll(outcome, { timeout: 10_000 }).toMatchObject({ active: true })
    await revoke(server, asOrders, token)
    expect(await introspect(server, asBilling, token)).toEqual({ active: false })
    const events = await hubs.finish()
    const refused = events.filter(event => event.data['error'] === 'temporarily_unavailable')
    const endpoints = new Set(refused.map(event => event.data['endpoint']))
    expect(endpoints).toEqual(new Set(['introspection', 'revocation', 'token']))
  })
})
