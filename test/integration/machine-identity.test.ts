import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as oauth from 'oauth4webapi'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { type Hub, startHub } from '../../src/assemble/hub.ts'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { StsClient } from '../../src/config/sidecar-config.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { bearerClaims, call } from '../support/machine-hop.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { createTestStsConfig, decodeClaims, secretAuthentication } from '../support/token-service.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'

// Everything by real sockets: hubs with one Redis and one key file, sidecars before a recording upstream, and a client that
// knows nothing of Hopgate.

const insecure = { [oauth.allowInsecureRequests]: true } as const
const ordersSecret = 'test-secret'
const workerSecret = 'worker-secret'

const rule = { audience: 'jobs-api', purposes: ['invoice-run'], scope: ['jobs:run'], ttlSeconds: 60 }
const clients: StsClient[] = [
  {
    id: 'orders',
    authentication: secretAuthentication(ordersSecret),
    grants: Object.values(grantType),
    accepts: ['shop-web'],
    audiences: new Map([
      ['jobs-api', { scope: ['jobs:run'], ttlSeconds: undefined }],
      ['shop.example', { scope: ['jobs:run'], ttlSeconds: undefined }],
    ]),
    tickets: { issue: [rule], redeem: [] },
  },
  {
    id: 'worker',
    authentication: secretAuthentication(workerSecret),
    accepts: [],
    audiences: new Map(),
    tickets: { issue: [], redeem: [rule] },
  },
]

let login: TestIssuer
let reports: TestIssuer
let redis: TestRedis
let directory: string
const hubs: Hub[] = []
const hops: RunningHop[] = []
beforeAll(async () => {
  login = await createTestIssuer({ issuer: 'https://login.test' })
  reports = await createTestIssuer({ issuer: 'reports', kid: 'reports-1' })
  redis = await startRedis()
})
afterAll(() => redis.stop())
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hopgate-machine-'))
})
afterEach(async () => {
  await Promise.all(hops.splice(0).map(hop => hop.close()))
  await Promise.all(hubs.splice(0).map(hub => hub.close()))
  await rm(directory, { recursive: true, force: true })
})

/** Starts a hub; its issuer is its own address unless it is the replica of another. */
async function start(issuer?: string): Promise<{ readonly issuer: string; readonly url: string }> {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const name = issuer ?? url
  const hub = await startHub(
    {
      listen: { host: '127.0.0.1', port, tls: undefined },
      admin: { host: '127.0.0.1', port: 0 },
      audit: { file: join(directory, 'audit.jsonl'), queue: 1_000, whenFull: 'refuse' },
      redis: new Secret(redis.url),
      sts: createTestStsConfig(login, reports, {
        clients,
        config: {
          issuer: name,
          keys: join(directory, 'keys.json'),
          transactionDomain: 'shop.example',
          tickets: { key: new Secret('k'.repeat(32)), ttlSeconds: 300 },
        },
      }),
    },
    { log: silentLog },
  )
  hubs.push(hub)
  return { issuer: name, url }
}

async function discover({ issuer, url }: { readonly issuer: string; readonly url: string }) {
  const response = await fetch(`${url}/.well-known/oauth-authorization-server`)
  const metadata = await oauth.processDiscoveryResponse(new URL(issuer), response)
  return { ...metadata, token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks` }
}

const orders = { client_id: 'orders' }
const worker = { client_id: 'worker' }
const asOrders = oauth.ClientSecretBasic(ordersSecret)
const asWorker = oauth.ClientSecretPost(workerSecret)

async function request(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  authentication: oauth.ClientAuth,
  grant: string,
  form: Record<string, string>,
) {
  const response = await oauth.genericTokenEndpointRequest(
    server,
    client,
    authentication,
    grant,
    form,
    insecure,
  )
  // A type that is no token type of OAuth's own is told to the client, which would not take it otherwise.
  const options = { recognizedTokenTypes: { n_a: () => {} } }
  return oauth.processGenericTokenEndpointResponse(server, client, response, options)
}

const subject = (claims: Record<string, unknown> = {}) => login.sign({ scope: 'jobs:run', ...claims })
const exchange = async (more: Record<string, string>) => ({
  subject_token: await subject(),
  subject_token_type: tokenType.accessToken,
  scope: 'jobs:run',
  ...more,
})

describe('an independent client (oauth4webapi)', () => {
  it('gets a token for itself by client credentials, and finds it valid', async () => {
    const server = await discover(await start())
    const form = { audience: 'jobs-api', scope: 'jobs:run' }
    const response = await oauth.clientCredentialsGrantRequest(server, orders, asOrders, form, insecure)
    const answer = await oauth.processClientCredentialsResponse(server, orders, response)
    const headers = { authorization: `Bearer ${answer.access_token}` }
    const presented = new Request('http://jobs-api/', { headers })
    const claims = await oauth.validateJwtAccessToken(server, presented, 'jobs-api', insecure)
    expect(claims).toMatchObject({ sub: 'orders', client_id: 'orders', subject_kind: 'machine' })
  })

  it('gets a token for the subject of an assertion, once over two replicas', async () => {
    const one = await start()
    const servers = [await discover(one), await discover(await start(one.issuer))]
    const now = Math.floor(Date.now() / 1000)
    const claims = { aud: one.issuer, client_id: 'orders', scope: 'jobs:run', iat: now, exp: now + 60 }
    const assertion = await login.sign(claims, { typ: 'JWT' })
    const form = { assertion, audience: 'jobs-api', scope: 'jobs:run' }
    const answers = await Promise.allSettled(
      servers.map(server => request(server, orders, asOrders, grantType.jwtBearer, form)),
    )
    const issued = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
    expect(issued).toHaveLength(1)
    expect(decodeClaims(issued[0]?.access_token ?? '')).toMatchObject({
      sub: 'alice',
      act: { sub: 'orders' },
    })
    const refused = answers.flatMap(answer => (answer.status === 'rejected' ? [answer.reason] : []))
    expect(refused).toMatchObject([{ status: 400, error: 'invalid_grant' }])
  })

  it('gets a Transaction Token by token exchange, and a replacement of it', async () => {
    const server = await discover(await start())
    const target = { requested_token_type: tokenType.transaction, audience: 'shop.example' }
    const first = await request(server, orders, asOrders, grantType.tokenExchange, await exchange(target))
    expect(first).toMatchObject({ token_type: 'n_a', issued_token_type: tokenType.transaction })
    const replaced = {
      ...target,
      subject_token: first.access_token,
      subject_token_type: tokenType.transaction,
    }
    const form = { ...replaced, scope: 'jobs:run', request_details: '{"job":"7"}' }
    const second = await request(server, orders, asOrders, grantType.tokenExchange, form)
    expect(decodeClaims(second.access_token)).toMatchObject({
      txn: decodeClaims(first.access_token)['txn'],
      tctx: { job: '7' },
    })
  })

  it('puts a ticket into a queue, and a worker redeems it at another replica, once', async () => {
    const one = await start()
    const [server, other] = [await discover(one), await discover(await start(one.issuer))]
    const terms = { audience: 'jobs-api', purpose: 'invoice-run', scope: 'jobs:run' }
    const form = await exchange({ ...terms, requested_token_type: tokenType.ticket })
    const ticket = await request(server, orders, asOrders, grantType.tokenExchange, form)
    expect(ticket).toMatchObject({ token_type: 'n_a', issued_token_type: tokenType.ticket })
    const redemption = { ...terms, subject_token: ticket.access_token, subject_token_type: tokenType.ticket }
    const attempts = await Promise.allSettled(
      [other, server, other].map(at => request(at, worker, asWorker, grantType.tokenExchange, redemption)),
    )
    const issued = attempts.flatMap(attempt => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    expect(issued).toHaveLength(1)
    expect(decodeClaims(issued[0]?.access_token ?? '')).toMatchObject({
      sub: 'alice',
      client_id: 'worker',
      act: { sub: 'worker', act: { sub: 'orders' } },
    })
    await Promise.all(hubs.splice(0).map(hub => hub.close()))
    const audit = await readFile(join(directory, 'audit.jsonl'), 'utf8')
    expect(audit).toContain('"purpose":"invoice-run"')
    expect(audit).not.toMatch(/hgt1\.|eyJ[\w-]*\./)
  })
})

describe('sidecars of one service', () => {
  async function replica(hub: string): Promise<RunningHop> {
    const hop = await startHop({
      issuer: login,
      exchange: `{ server: '${hub}', client: { secret: '\${TEST_SECRET}' } }`,
      routes: `
  - { path: /jobs/**, audience: jobs-api, scope: jobs:run, mode: machine }
  - { path: /dual/**, audience: jobs-api, scope: jobs:run, identity: dual }
`,
      more: `context: { trust_domain: shop.example }\ncache: { redis: '${redis.url}', prefix: '${redis.prefix}' }`,
    })
    hops.push(hop)
    return hop
  }
  const machine = (jti: string) => login.sign({ sub: 'batch', client_id: 'batch', scope: 'jobs:run', jti })

  it('share their own token through Redis, sealed: the hub is asked once', async () => {
    const { url } = await start()
    const [one, other] = [await replica(url), await replica(url)]
    await call(one, '/jobs/1', await machine('a'))
    const issued = bearerClaims(await one.upstream.request(0))
    expect(issued).toMatchObject({ sub: 'orders', subject_kind: 'machine', aud: 'jobs-api' })
    await expect.poll(() => redis.cli('KEYS', `${redis.prefix}*`)).not.toBe('')
    await call(other, '/jobs/1', await machine('b'))
    expect(bearerClaims(await other.upstream.request(0))['jti']).toBe(issued['jti'])
    expect(await other.event()).toMatchObject({ outbound: { source: 'redis', jti: issued['jti'] } })
  })

  it('hand a context on: a user at the first, dual identity between them, the same context at the second', async () => {
    const { url } = await start()
    const [one, other] = [await replica(url), await replica(url)]
    expect((await call(one, '/dual/1', await subject())).status).toBe(200)
    const transaction = (await one.upstream.request(0)).header('txn-token') ?? ''
    expect(decodeClaims(transaction)).toMatchObject({ sub: 'alice', aud: 'shop.example', iss: url })
    expect((await call(other, '/dual/2', await machine('c'), { 'txn-token': transaction })).status).toBe(200)
    const request = await other.upstream.request(0)
    expect(request.headerAll('txn-token')).toEqual([transaction])
    expect(bearerClaims(request)).toMatchObject({ sub: 'orders' })
    expect(await other.event()).toMatchObject({
      inbound: { sub: 'batch' },
      transaction: { jti: decodeClaims(transaction)['jti'] },
    })
  })

  it('refuse while the hub is gone, whoever calls', async () => {
    const { url } = await start()
    const hop = await replica(url)
    await Promise.all(hubs.splice(0).map(hub => hub.close()))
    for (const token of [await machine('d'), await machine('e')]) {
      expect((await call(hop, '/jobs/1', token)).status).toBe(503)
    }
    expect((await call(hop, '/dual/1', await subject())).status).toBe(503)
    expect(hop.upstream.requests).toEqual([])
  })
})
