import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { startAuthorizationServer, type TestAuthorizationServer } from '../support/authorization-server.ts'
import { createMemoryWriter } from '../support/memory-writer.ts'
import { requestRaw } from '../support/raw-client.ts'
import { startRedis } from '../support/redis.ts'
import {
  type HopOptions,
  hopYaml,
  type RunningHop,
  readConfig,
  startHop,
  usualRoutes,
} from '../support/start-hop.ts'
import { encodeForm, formType } from '../support/token-service.ts'
import { createTestIssuer } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'

let folder: string
let server: TestAuthorizationServer
const hops: RunningHop[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hopgate-reload-'))
  server = await startAuthorizationServer()
})

afterEach(async () => {
  await Promise.all(hops.splice(0).map(hop => hop.close()))
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(options: HopOptions = {}): Promise<RunningHop> {
  const hop = await startHop(options)
  hops.push(hop)
  return hop
}

function reload(hop: RunningHop, options: HopOptions = {}): string | undefined {
  return hop.sidecar.reload(readConfig(hopYaml(hop.issuer, hop.upstream.url, options)))
}

const goodToken = (hop: RunningHop): Promise<string> => hop.issuer.sign({ scope: 'orders:read' })

async function ask(hop: RunningHop, token: string): Promise<number> {
  const answer = await fetch(`${hop.url}/orders`, { headers: { authorization: `Bearer ${token}` } })
  await answer.text()
  return answer.status
}

async function lastSource(hop: RunningHop): Promise<unknown> {
  const { outbound } = await hop.event(hop.lines.length - 1)
  return (outbound as { source?: unknown } | undefined)?.source
}

const embedded = (sts: string): HopOptions => ({
  exchange: `{}\nsts: { issuer: 'http://127.0.0.1:9', ${sts} }`,
})
const serverOf = (more = ''): string =>
  `{ server: '${server.issuer}', client: { id: orders, secret: '\${TEST_SECRET}' }${more} }`
/** Another configuration, of which every kept part is the same. */
const otherwise = 'forwarded: { trusted_proxies: [192.0.2.1] }'

describe('a reload that cannot be assembled', () => {
  it('is rejected with the reason, and the last good configuration goes on', async () => {
    const open = join(folder, 'open.json')
    writeFileSync(open, '{}')
    chmodSync(open, 0o644)
    const hop = await start()
    for (const keys of [join(folder, 'missing', 'keys.json'), open]) {
      expect(reload(hop, embedded(`keys: '${keys}'`))).toMatch(/keys\.json|open\.json/)
      expect(await ask(hop, await goodToken(hop))).toBe(200)
    }
    expect(reload(hop, embedded(`keys: '${join(folder, 'keys.json')}'`))).toBeUndefined()
    expect(await ask(hop, await goodToken(hop))).toBe(200)
  })

  it('is rejected once the sidecar stops, which it may be told twice', async () => {
    const hop = await start()
    const closing = hop.sidecar.close()
    expect(reload(hop, { more: otherwise })).toBe('the sidecar is stopping')
    await Promise.all([closing, hop.sidecar.close()])
    await hop.sidecar.close()
  })
})

describe('a request under way while the configuration is swapped', () => {
  it('gets the token that is being exchanged for it', async () => {
    const hop = await start({ exchange: serverOf() })
    await ask(hop, await goodToken(hop))
    const reply = Promise.withResolvers<void>()
    server.onToken(async ({ form }) => {
      await reply.promise
      server.onTokenIssue({})
      const access_token = await server.signer.sign(server.claimsFor(form))
      return { body: { access_token, token_type: 'Bearer', issued_token_type: tokenType.accessToken } }
    })
    const asked = ask(hop, await goodToken(hop))
    await until(() => server.tokenRequests.length === 2, 'the exchange is under way')
    expect(reload(hop)).toBeUndefined()
    // Long enough for what is closed at once to be closed.
    await sleep(50)
    reply.resolve()
    expect(await asked).toBe(200)
  })

  it('is upgraded though upstream takes its time', async () => {
    const options = { routes: usualRoutes.replace('ttl: 60s', 'websocket: true') }
    const hop = await start(options)
    const reply = Promise.withResolvers<string>()
    hop.upstream.answerWith(() => reply.promise)
    const upgrade = `GET /orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${await goodToken(hop)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
    const asked = requestRaw(hop.port, upgrade)
    await hop.upstream.request()
    expect(reload(hop, { ...options, more: otherwise })).toBeUndefined()
    await sleep(50)
    reply.resolve(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    )
    expect((await asked).status).toBe(101)
  })

  it('does not keep the sidecar from stopping', async () => {
    const timeouts = 'timeouts: { drain: 100ms }'
    const hop = await start({ more: timeouts })
    hop.upstream.answerWith({ action: 'hang' })
    const asked = ask(hop, await goodToken(hop)).catch(() => 'broken off')
    await hop.upstream.request()
    expect(reload(hop, { more: `${timeouts}\n${otherwise}` })).toBeUndefined()
    await hop.sidecar.close()
    expect(await asked).toBe('broken off')
  })
})

describe('what a reload keeps', () => {
  it('is everything when the configuration says the same', async () => {
    const hop = await start({ exchange: serverOf() })
    const token = await goodToken(hop)
    await ask(hop, token)
    const before = [...server.paths]
    hop.sidecar.rejectReload()
    expect(reload(hop, { exchange: serverOf() })).toBeUndefined()
    expect(await (await fetch(`${hop.adminUrl}/readyz`)).text()).not.toContain('rejected')
    expect(await ask(hop, token)).toBe(200)
    expect(await lastSource(hop)).toBe('memory')
    expect(server.paths).toEqual(before)
    const connections = new Set(hop.upstream.requests.map(request => request.connection))
    expect(connections.size).toBe(1)
  })

  it('is issued tokens, keys and metadata when something else changed', async () => {
    const issuer = server.signer
    const options = { issuer, exchange: serverOf(), issuerKeys: `{ jwks_uri: '${server.issuer}/jwks' }` }
    const hop = await start(options)
    const token = await goodToken(hop)
    await until(async () => (await ask(hop, token)) === 200, 'it is ready')
    const before = [...server.paths]
    expect(reload(hop, { ...options, more: otherwise })).toBeUndefined()
    await sleep(50)
    expect(await ask(hop, token)).toBe(200)
    expect(await lastSource(hop)).toBe('memory')
    expect(server.paths).toEqual(before)
  })

  it('is still there when the configuration before has ended', async () => {
    const redis = await startRedis()
    const cache = `cache: { redis: '${redis.url}', prefix: '${redis.prefix}' }`
    const hop = await start({ more: cache })
    const isRedisUp = async () =>
      /hopgate_redis_up 1/.test(await (await fetch(`${hop.adminUrl}/metrics`)).text())
    await until(isRedisUp, 'Redis is there')
    for (let round = 0; round < 3; round++) {
      const forwarded = `forwarded: { trusted_proxies: [192.0.2.${round + 1}] }`
      expect(reload(hop, { more: `${cache}\n${forwarded}` })).toBeUndefined()
      await sleep(20)
      expect(await ask(hop, await goodToken(hop))).toBe(200)
    }
    expect(await isRedisUp()).toBe(true)
    expect(hop.log.filter(line => line.includes('Redis')).length).toBeLessThan(2)
    await hop.sidecar.close()
    await redis.stop()
  })

  it('is not a token of other rules', async () => {
    const hop = await start()
    const token = await goodToken(hop)
    await ask(hop, token)
    expect(reload(hop, { routes: usualRoutes.replace('ttl: 60s', 'ttl: 30s') })).toBeUndefined()
    await ask(hop, token)
    expect(await lastSource(hop)).toBe('issued')
  })

  it('is not a secret that was replaced', async () => {
    const hop = await start({ exchange: serverOf() })
    await ask(hop, await goodToken(hop))
    process.env['OTHER_SECRET'] = 'rotated'
    const rotated = serverOf().replace('TEST_SECRET', 'OTHER_SECRET')
    expect(reload(hop, { exchange: rotated })).toBeUndefined()
    delete process.env['OTHER_SECRET']
    await ask(hop, await goodToken(hop))
    const credentials = server.tokenRequests.map(({ headers }) =>
      Buffer.from(String(headers.authorization).slice(6), 'base64').toString(),
    )
    expect(credentials).toEqual(['orders:test-secret', 'orders:rotated'])
  })

  it('is the memory of client assertions: none is good twice', async () => {
    const reports = await createTestIssuer({ issuer: 'reports', kid: 'reports-1' })
    const client = `{ id: reports, jwks: { inline: ${JSON.stringify(reports.jwks)} }, accepts: [shop-web], audiences: { orders-api: { scope: orders:read } } }`
    const hop = await start(embedded(`clients: [${client}]`))
    const client_assertion = await reports.sign(
      { sub: 'reports', aud: 'http://127.0.0.1:9', exp: Math.floor(Date.now() / 1000) + 50 },
      { typ: 'client-authentication+jwt' },
    )
    const body = encodeForm({
      grant_type: grantType.tokenExchange,
      subject_token: await goodToken(hop),
      subject_token_type: tokenType.accessToken,
      audience: 'orders-api',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion,
    })
    const post = async () =>
      (await fetch(`${hop.adminUrl}/token`, { method: 'POST', headers: { 'content-type': formType }, body }))
        .status
    expect(await post()).toBe(200)
    expect(reload(hop, embedded(`clients: [${client}], max_ttl: 100s`))).toBeUndefined()
    expect(await post()).toBe(401)
  })
})

describe('the embedded token service', () => {
  it('finds no token in Redis that a key signed which is gone', async () => {
    const redis = await startRedis()
    const more = `cache: { redis: '${redis.url}', prefix: '${redis.prefix}' }`
    const first = await start({ more })
    const token = await goodToken(first)
    for (const hop of [first, await start({ more, issuer: first.issuer })]) {
      const metrics = async () => (await fetch(`${hop.adminUrl}/metrics`)).text()
      await until(async () => /hopgate_redis_up 1/.test(await metrics()), 'Redis is there')
      expect(await ask(hop, token)).toBe(200)
      expect(await lastSource(hop)).toBe('issued')
      await until(async () => (await redis.cli('KEYS', `${redis.prefix}*`)) !== '', 'it was written')
    }
    await Promise.all(hops.splice(0).map(hop => hop.close()))
    await redis.stop()
  })

  it('issues nothing that could be missing from the record, with when_full: refuse', async () => {
    let accepting = true
    const auditWriter = { ...createMemoryWriter(), isAccepting: () => accepting }
    const client = `{ id: batch, secret: '\${TEST_SECRET}', accepts: [shop-web], audiences: { orders-api: { scope: orders:read } } }`
    const options = { ...embedded(`clients: [${client}]`), auditWriter }
    const issue = async (hop: RunningHop) => {
      const body = encodeForm({
        grant_type: grantType.tokenExchange,
        subject_token: await goodToken(hop),
        subject_token_type: tokenType.accessToken,
        audience: 'orders-api',
      })
      const authorization = `Basic ${btoa('batch:test-secret')}`
      const headers = { 'content-type': formType, authorization }
      return (await fetch(`${hop.adminUrl}/token`, { method: 'POST', headers, body })).status
    }
    const counting = await start({ ...options, more: 'audit: { when_full: count }' })
    const refusing = await start({ ...options, more: 'audit: { when_full: refuse }' })
    expect(await Promise.all([issue(counting), issue(refusing)])).toEqual([200, 200])
    accepting = false
    expect(await Promise.all([issue(counting), issue(refusing)])).toEqual([200, 503])
  })
})

describe('a changed upstream', () => {
  it('gets the next request', async () => {
    const hop = await start()
    const other = await start()
    other.upstream.answerWith(response(203))
    const yaml = hopYaml(hop.issuer, other.upstream.url)
    expect(hop.sidecar.reload(readConfig(yaml))).toBeUndefined()
    expect(await ask(hop, await goodToken(hop))).toBe(203)
  })
})
