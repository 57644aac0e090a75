import * as oauth from 'oauth4webapi'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { type HubOptions, type RunningHubs, startHubs } from '../support/start-hub.ts'
import { billingSecret, decodeClaims, ordersSecret } from '../support/token-service.ts'

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
