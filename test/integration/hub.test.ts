import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as oauth from 'oauth4webapi'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { type Hub, startHub } from '../../src/assemble/hub.ts'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { HubConfig } from '../../src/config/hub-config.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { requestRaw } from '../support/raw-client.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import {
  billingSecret,
  createTestStsConfig,
  decodeClaims,
  formType,
  ordersSecret,
} from '../support/token-service.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'

const insecure = { [oauth.allowInsecureRequests]: true } as const

let login: TestIssuer
let reports: TestIssuer
let directory: string
let audit: string
const hubs: Hub[] = []

beforeAll(async () => {
  login = await createTestIssuer()
  reports = await createTestIssuer({ issuer: 'reports', kid: 'reports-1' })
})
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hopgate-hub-'))
  audit = join(directory, 'audit.jsonl')
})
afterEach(async () => {
  await Promise.all(hubs.splice(0).map(hub => hub.close()))
  await rm(directory, { recursive: true, force: true })
})

/** Starts a hub; its issuer is its own address unless it is the replica of another. */
async function start(changes: Partial<HubConfig> = {}, issuer?: string) {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const name = issuer ?? `${url}/sts`
  const hub = await startHub(
    {
      listen: { host: '127.0.0.1', port, tls: undefined },
      admin: { host: '127.0.0.1', port: 0 },
      audit: { file: audit, queue: 1_000, whenFull: 'refuse' },
      redis: undefined,
      sts: createTestStsConfig(login, reports, {
        config: { issuer: name, keys: join(directory, 'keys.json') },
      }),
      ...changes,
    },
    { log: silentLog },
  )
  hubs.push(hub)
  return { hub, issuer: name, url }
}

async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
  return oauth.processDiscoveryResponse(url, response)
}

async function exchange(
  server: oauth.AuthorizationServer,
  clientId: string,
  authentication: oauth.ClientAuth,
  parameters: Record<string, string> = {},
): Promise<oauth.TokenEndpointResponse> {
  const client = { client_id: clientId }
  const form = {
    subject_token: await login.sign({ aud: 'orders', scope: 'orders:read orders:refund' }),
    subject_token_type: tokenType.accessToken,
    audience: 'orders-api',
    ...parameters,
  }
  const response = await oauth.genericTokenEndpointRequest(
    server,
    client,
    authentication,
    grantType.tokenExchange,
    form,
    insecure,
  )
  return oauth.processGenericTokenEndpointResponse(server, client, response)
}

describe('an independent client (oauth4webapi)', () => {
  const privateKey = () =>
    crypto.subtle.importKey(
      'jwk',
      reports.privateKey.export({ format: 'jwk' }),
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['sign'],
    )

  it.each<[string, string, () => Promise<oauth.ClientAuth>]>([
    ['client_secret_basic', 'orders', async () => oauth.ClientSecretBasic(ordersSecret)],
    ['client_secret_post', 'orders', async () => oauth.ClientSecretPost(ordersSecret)],
    [
      'private_key_jwt',
      'reports',
      async () => oauth.PrivateKeyJwt({ key: await privateKey(), kid: 'reports-1' }),
    ],
  ])('discovers, exchanges and validates, with %s', async (_, clientId, authentication) => {
    const { issuer } = await start()
    const server = await discover(issuer)
    const answer = await exchange(server, clientId, await authentication(), { scope: 'orders:read' })
    expect(answer).toMatchObject({
      token_type: 'bearer',
      issued_token_type: tokenType.accessToken,
      scope: 'orders:read',
    })

    const request = new Request('http://orders-api/', {
      headers: { authorization: `Bearer ${answer.access_token}` },
    })
    const claims = await oauth.validateJwtAccessToken(server, request, 'orders-api', insecure)
    expect(claims).toMatchObject({ sub: 'alice', client_id: clientId, act: { sub: clientId, iss: issuer } })
  })

  it('finds the same document where OpenID Connect looks for it', async () => {
    const { issuer } = await start()
    const url = new URL(issuer)
    const response = await oauth.discoveryRequest(url, { algorithm: 'oidc', ...insecure })
    expect(await oauth.processDiscoveryResponse(url, response)).toEqual(await discover(issuer))
  })

  it('reads a response without scope when nothing was granted', async () => {
    const { issuer } = await start()
    const subject_token = await login.sign({ aud: 'orders' })
    const answer = await exchange(await discover(issuer), 'orders', oauth.ClientSecretBasic(ordersSecret), {
      subject_token,
    })
    expect(answer.scope).toBe('')
  })

  it('understands a refusal', async () => {
    const { issuer } = await start()
    const server = await discover(issuer)
    const attempt = exchange(server, 'orders', oauth.ClientSecretPost(ordersSecret), { scope: 'admin' })
    await expect(attempt).rejects.toMatchObject({ status: 400, error: 'invalid_scope' })
  })

  it('understands that it was not authenticated', async () => {
    const { issuer } = await start()
    const server = await discover(issuer)
    const attempt = exchange(server, 'orders', oauth.ClientSecretBasic('wrong'))
    await expect(attempt).rejects.toMatchObject({
      status: 401,
      cause: [expect.objectContaining({ scheme: 'basic' })],
    })
  })
})

describe('the hub', () => {
  it('writes one CloudEvent for each token and each refusal, and no token into any', async () => {
    const { issuer, hub } = await start()
    const server = await discover(issuer)
    const issued = await exchange(server, 'orders', oauth.ClientSecretBasic(ordersSecret))
    await exchange(server, 'orders', oauth.ClientSecretPost('wrong')).catch(() => {})
    await hub.close()
    const text = await readFile(audit, 'utf8')
    const [first, second, ...more] = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(more).toEqual([])
    expect(first).toMatchObject({
      specversion: '1.0',
      type: 'io.hopgate.token.issued.v1',
      source: issuer,
      subject: 'orders',
      data: { jti: decodeClaims(issued.access_token)['jti'], aud: 'orders-api', peer: '127.0.0.1' },
    })
    expect(second).toMatchObject({
      type: 'io.hopgate.token.refused.v1',
      data: { error: 'invalid_client', detail: 'unknown client or wrong secret' },
    })
    expect(text).not.toMatch(/eyJ[\w-]*\./)
    for (const secret of [ordersSecret, encodeURIComponent(ordersSecret)]) {
      expect(text).not.toContain(secret)
    }
  })

  it('counts what it answered, on the admin port', async () => {
    const { issuer, hub } = await start()
    const server = await discover(issuer)
    await exchange(server, 'orders', oauth.ClientSecretBasic(ordersSecret))
    await exchange(server, 'orders', oauth.ClientSecretPost('wrong')).catch(() => {})
    const metrics = await (await fetch(`${hub.adminUrl}/metrics`)).text()
    expect(metrics).toContain(
      'hopgate_token_service_answers_total{endpoint="token",kind="issued",error="none"} 1',
    )
    expect(metrics).toContain(
      'hopgate_token_service_answers_total{endpoint="token",kind="refused",error="invalid_client"} 1',
    )
  })

  it('issues nothing while the record cannot be written, and says that it is not ready', async () => {
    const { issuer, hub } = await start({ audit: { file: '/dev/full', queue: 10, whenFull: 'refuse' } })
    const server = await discover(issuer)
    const attempt = () => exchange(server, 'orders', oauth.ClientSecretBasic(ordersSecret))
    await attempt()
    await expect
      .poll(async () => (await fetch(`${hub.adminUrl}/readyz`)).status, { timeout: 5_000 })
      .toBe(503)
    await expect(attempt()).rejects.toThrow()
    expect((await fetch(`${hub.adminUrl}/livez`)).status).toBe(200)
  })

  it('goes on while the record cannot be written, where the configuration says so', async () => {
    const { issuer, hub } = await start({ audit: { file: '/dev/full', queue: 1, whenFull: 'count' } })
    const server = await discover(issuer)
    const attempt = () => exchange(server, 'orders', oauth.ClientSecretBasic(ordersSecret))
    await attempt()
    await expect
      .poll(async () => (await fetch(`${hub.adminUrl}/metrics`)).text())
      .toMatch(/^hopgate_audit_accepting 0$/m)
    expect((await attempt()).token_type).toBe('bearer')
    expect((await fetch(`${hub.adminUrl}/readyz`)).status).toBe(200)
  })

  it('keeps its keys over a restart: a token from before is exchanged afterwards', async () => {
    const { issuer, hub } = await start()
    const before = await exchange(await discover(issuer), 'orders', oauth.ClientSecretBasic(ordersSecret), {
      audience: 'billing',
    })
    await hub.close()
    const again = await start({}, issuer)
    const server = { ...(await discoverAt(again.url, issuer)) }
    const answer = await exchange(server, 'billing', oauth.ClientSecretBasic(billingSecret), {
      subject_token: before.access_token,
      audience: 'orders',
    })
    expect(decodeClaims(answer.access_token)).toMatchObject({
      act: { sub: 'billing', act: { sub: 'orders' } },
    })
  })

  it('does not start with keys that others can read, and leaves nothing listening', async () => {
    const port = await findFreePort()
    const config: HubConfig = {
      listen: { host: '127.0.0.1', port, tls: undefined },
      admin: { host: '127.0.0.1', port: 0 },
      audit: { file: audit, queue: 10, whenFull: 'refuse' },
      redis: undefined,
      sts: createTestStsConfig(login, reports, { config: { keys: directory } }),
    }
    await expect(startHub(config, { log: silentLog })).rejects.toThrow(/signing keys/)
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow()
  })

  it('does not start on a port that is taken', async () => {
    const { url } = await start()
    const taken = { host: '127.0.0.1', port: Number(new URL(url).port), tls: undefined }
    await expect(start({ listen: taken })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('has no administration on its public port and no token service on the other', async () => {
    const { url, hub, issuer } = await start()
    for (const path of ['/livez', '/readyz', '/metrics', '/', '/sts']) {
      expect((await fetch(`${url}${path}`)).status).toBe(404)
    }
    expect((await fetch(`${hub.adminUrl}${new URL(issuer).pathname}/jwks`)).status).toBe(404)
  })

  it.each([
    ['a body that is too long', 64 * 1024 + 1, 413],
    ['a body within the limit', 60 * 1024, 401],
  ])('bounds what it reads: %s', async (_, length, status) => {
    const { url } = await start()
    const body = `canary=${'x'.repeat(length - 7)}`
    const response = await fetch(`${url}/sts/token`, {
      method: 'POST',
      headers: { 'content-type': formType },
      body,
    })
    expect(response.status).toBe(status)
    expect(await response.text()).not.toContain('xxxx')
  })

  it('refuses two Content-Type fields and a body that is not UTF-8', async () => {
    const { url } = await start()
    const port = Number(new URL(url).port)
    const head = `POST /sts/token HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: ${formType}\r\n`
    const twice = await requestRaw(
      port,
      `${head}Content-Type: application/json\r\nContent-Length: 3\r\n\r\na=1`,
    )
    expect(twice).toMatchObject({ status: 400, text: expect.stringContaining('"invalid_request"') })
    const bytes = await requestRaw(port, `${head}Content-Length: 3\r\n\r\na=\xff`)
    expect(bytes.status).toBe(400)
  })
})

/** Metadata of a hub that answers elsewhere than its issuer says, with its endpoints moved there. */
async function discoverAt(url: string, issuer: string): Promise<oauth.AuthorizationServer> {
  const { pathname } = new URL(issuer)
  const response = await fetch(`${url}/.well-known/oauth-authorization-server${pathname}`)
  const metadata = await oauth.processDiscoveryResponse(new URL(issuer), response)
  return { ...metadata, token_endpoint: `${url}${pathname}/token`, jwks_uri: `${url}${pathname}/jwks` }
}

describe('two replicas with one Redis and one key file', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis({ faults: true })
  })
  afterAll(() => redis.stop())

  const pair = async () => {
    const one = await start({ redis: new Secret(redis.url) })
    const other = await start({ redis: new Secret(redis.url) }, one.issuer)
    return { one, other, issuer: one.issuer }
  }

  const post = async (url: string, form: Record<string, string>): Promise<number> => {
    const subject = await login.sign({ aud: 'orders', scope: 'orders:read' })
    const body = new URLSearchParams({
      grant_type: grantType.tokenExchange,
      subject_token: subject,
      subject_token_type: tokenType.accessToken,
      audience: 'orders-api',
      ...form,
    })
    return (await fetch(`${url}/sts/token`, { method: 'POST', body })).status
  }

  const assertion = (issuer: string) => {
    const now = Math.floor(Date.now() / 1000)
    return reports.sign({ sub: 'reports', aud: issuer, iat: now, exp: now + 50 }, { typ: 'JWT' })
  }
  const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

  it('publish the same keys', async () => {
    const { one, other, issuer } = await pair()
    const keysAt = async (url: string) => (await fetch(`${url}${new URL(issuer).pathname}/jwks`)).text()
    expect(await keysAt(other.url)).toBe(await keysAt(one.url))
  })

  it('let a client assertion be used at one of them only', async () => {
    const { one, other, issuer } = await pair()
    const form = { client_assertion: await assertion(issuer), client_assertion_type: assertionType }
    expect(await post(one.url, form)).toBe(200)
    expect(await post(other.url, form)).toBe(401)
  })

  it('refuse assertions while Redis is gone, go on with secrets, and recover', async () => {
    const { one, issuer } = await pair()
    const byAssertion = async () =>
      post(one.url, { client_assertion: await assertion(issuer), client_assertion_type: assertionType })
    expect(await byAssertion()).toBe(200)
    await redis.stop()
    expect(await byAssertion()).toBe(503)
    expect(await post(one.url, { client_id: 'orders', client_secret: ordersSecret })).toBe(200)
    await redis.restart()
    await expect.poll(byAssertion, { timeout: 10_000 }).toBe(200)
  })
})
