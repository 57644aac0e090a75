import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Sidecar, startSidecar } from '../../src/assemble/sidecar.ts'
import { silentLog } from '../../src/base/log.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { createMemoryWriter } from '../support/memory-writer.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { hopYaml, readConfig } from '../support/start-hop.ts'
import { basic } from '../support/token-service.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'

// The token service inside a sidecar answers other clients on the admin address.

const authorization = basic('reports', 'test-secret')
const sts = `sts:
  issuer: http://127.0.0.1:9
  clients:
    - { id: reports, secret: "\${TEST_SECRET}", accepts: [shop-web], audiences: { reports: { scope: orders:read } } }`

let login: TestIssuer
let redis: TestRedis
const sidecars: Sidecar[] = []

beforeAll(async () => {
  login = await createTestIssuer({ issuer: 'https://login.test' })
  redis = await startRedis()
})
afterEach(async () => {
  await Promise.all(sidecars.splice(0).map(sidecar => sidecar.close()))
})
afterAll(() => redis.stop())

const yaml = (more = ''): string => hopYaml(login, 'http://127.0.0.1:9', { more }).replace(/^sts: .*$/m, sts)

async function start(more = ''): Promise<{ sidecar: Sidecar; lines: readonly string[] }> {
  const auditWriter = createMemoryWriter()
  const sidecar = await startSidecar(readConfig(yaml(more)), { log: silentLog, auditWriter })
  sidecars.push(sidecar)
  return { sidecar, lines: auditWriter.lines }
}

async function post(
  sidecar: Sidecar,
  endpoint: string,
  form: Record<string, string>,
): Promise<{ readonly status: number; readonly json: Record<string, unknown> }> {
  const body = new URLSearchParams(form)
  const headers = { authorization }
  const response = await fetch(`${sidecar.adminUrl}/${endpoint}`, { method: 'POST', body, headers })
  const text = await response.text()
  return { status: response.status, json: text === '' ? {} : JSON.parse(text) }
}

async function issue(sidecar: Sidecar): Promise<string> {
  const { json } = await post(sidecar, 'token', {
    grant_type: grantType.tokenExchange,
    subject_token: await login.sign({ aud: 'shop-web', scope: 'orders:read' }),
    subject_token_type: tokenType.accessToken,
    audience: 'reports',
    scope: 'orders:read',
  })
  return String(json['access_token'])
}

const isActive = async (sidecar: Sidecar, token: string): Promise<unknown> =>
  (await post(sidecar, 'introspect', { token })).json['active']

describe('the token service inside a sidecar', () => {
  it('introspects and revokes for its clients, and records it', async () => {
    const { sidecar, lines } = await start()
    const token = await issue(sidecar)
    expect(await isActive(sidecar, token)).toBe(true)
    expect(await post(sidecar, 'revoke', { token })).toEqual({ status: 200, json: {} })
    expect(await isActive(sidecar, token)).toBe(false)
    expect(lines.map(line => JSON.parse(line).type)).toEqual([
      'io.hopgate.token.issued.v1',
      'io.hopgate.token.revoked.v1',
      'io.hopgate.token.inactive.v1',
    ])
  })

  it('knows what was revoked after its configuration was read again', async () => {
    const { sidecar } = await start()
    const token = await issue(sidecar)
    const other = await issue(sidecar)
    await post(sidecar, 'revoke', { token })
    const changed = yaml().replace('scope: orders:read } } }', 'scope: orders:read, ttl: 4m } } }')
    expect(sidecar.reload(readConfig(changed))).toBeUndefined()
    expect(await isActive(sidecar, token)).toBe(false)
    expect(await isActive(sidecar, other)).toBe(true)
  })

  it('shares what was revoked where its cache has a Redis', async () => {
    const { sidecar } = await start(`cache: { redis: '${redis.url}', prefix: '${redis.prefix}' }`)
    const token = await issue(sidecar)
    await post(sidecar, 'revoke', { token })
    expect(await isActive(sidecar, token)).toBe(false)
    expect(await redis.cli('KEYS', `${redis.prefix}sts:revoked:*`)).toMatch(/:revoked:[\w-]{16}$/)
  })
})
