import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { channels } from '../../../src/base/channels.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { StsClient, StsConfig } from '../../../src/config/sidecar-config.ts'
import { createMemoryReplayStore } from '../../../src/sts/memory-replay-store.ts'
import { createMemoryRevocationStore } from '../../../src/sts/memory-revocation-store.ts'
import { createTokenService } from '../../../src/sts/token-service.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createFakeHttpClient } from '../../support/fake-http-client.ts'
import {
  basic,
  createTestStsConfig,
  createTestTokenService,
  secretAuthentication,
} from '../../support/token-service.ts'

const clock = createFakeClock()

function create(config: Partial<StsConfig>) {
  const full: StsConfig = {
    issuer: 'https://hub.example.com',
    keys: undefined,
    algorithm: 'ES256',
    maxTtlSeconds: 60,
    issuers: [],
    clients: [],
    clusters: [],
    trustDomains: [],
    maxActorDepth: 4,
    maxActorBytes: 2_048,
    maxActorVisits: 2,
    policy: undefined,
    environment: undefined,
    ...config,
  }
  const replay = createMemoryReplayStore(clock)
  return createTokenService(full, {
    clock,
    log: silentLog,
    client: createFakeHttpClient(() => ({})),
    replay,
    revocations: createMemoryRevocationStore(clock),
  })
}

function get(config: Partial<StsConfig>, path: string, method = 'GET') {
  return create(config).handle({ method, path, query: '', headers: new Map(), body: '', peer: 'local' })
}

describe('metadata and keys', () => {
  it.each([
    ['https://hub.example.com', '/.well-known/oauth-authorization-server', ''],
    ['https://hub.example.com/', '/.well-known/oauth-authorization-server', ''],
    ['https://hub.example.com/a/b', '/.well-known/oauth-authorization-server/a/b', '/a/b'],
    ['http://127.0.0.1:8090/sts', '/.well-known/oauth-authorization-server/sts', '/sts'],
  ])('of %s are at %s', async (issuer, path, base) => {
    const inserted = await get({ issuer }, path)
    const appended = await get({ issuer }, `${base}/.well-known/openid-configuration`)
    const origin = new URL(issuer).origin
    expect(JSON.parse(inserted?.body ?? '')).toMatchObject({
      issuer,
      token_endpoint: `${origin}${base}/token`,
      jwks_uri: `${origin}${base}/jwks`,
    })
    expect(appended).toEqual(inserted)
    expect((await get({ issuer }, `${base}/jwks`))?.status).toBe(200)
  })

  it('name the methods that work and no client, audience or scope', async () => {
    const { send } = await createTestTokenService()
    const { json, body } = await send({ method: 'GET', path: '/sts/.well-known/openid-configuration' })
    expect(json).toMatchObject({
      grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      response_types_supported: [],
    })
    expect(body).not.toMatch(/orders|billing|HS256|none/)
  })

  it('publish public members only, as a key set that may be kept for a while', async () => {
    const answer = await get({}, '/jwks')
    expect(answer?.headers).toMatchObject({
      'content-type': 'application/jwk-set+json',
      'cache-control': 'public, max-age=300',
    })
    const { keys } = JSON.parse(answer?.body ?? '')
    expect(keys).toHaveLength(1)
    expect(Object.keys(keys[0]).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })

  it('answer HEAD without a body, and no other method', async () => {
    expect(await get({}, '/jwks', 'HEAD')).toMatchObject({ status: 200, body: '' })
    expect(await get({}, '/jwks', 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
  })

  it.each(['/', '/tokens', '/token/', '/TOKEN', '//token', '/.well-known/other', '/sts/token'])(
    'leave the path %s to others',
    async path => {
      expect(await get({}, path)).toBeUndefined()
    },
  )
})

describe('a start', () => {
  const client = (id: string): StsClient => ({
    id,
    authentication: secretAuthentication('s'),
    accepts: [],
    audiences: new Map(),
  })

  it.each(['hub', 'ftp://hub', 'https://hub/?a', 'https://hub/?', 'https://hub/#', 'https://u@hub/'])(
    'fails with the issuer %s',
    issuer => {
      expect(() => create({ issuer })).toThrow(TypeError)
    },
  )

  it('fails when two clients have one id', () => {
    expect(() => create({ clients: [client('a'), client('a')] })).toThrow(/two clients/)
  })

  it.each([
    ['no key', []],
    ['a symmetric key', [{ kty: 'oct', k: 'c2VjcmV0' }]],
    ['a short RSA key', [{ kty: 'RSA', e: 'AQAB', n: 'AQAB' }]],
  ])('fails when a client has %s', (_, keys) => {
    const keyed: StsClient = {
      ...client('a'),
      authentication: { kind: 'private_key_jwt', jwks: { keys } },
    }
    expect(() => create({ clients: [keyed] })).toThrow(/client "a": keys not usable/)
  })

  it('keeps its keys when a file is named', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'hopgate-sts-'))
    try {
      const keys = join(directory, 'keys.json')
      const first = await get({ keys }, '/jwks')
      expect(await get({ keys }, '/jwks')).toEqual(first)
      await chmod(keys, 0o644)
      expect(() => create({ keys })).toThrow(/others may read/)
      await writeFile(keys, '{}')
      await chmod(keys, 0o600)
      expect(() => create({ keys })).toThrow(/not usable/)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('has new keys each time when no file is named', async () => {
    expect(await get({}, '/jwks')).not.toEqual(await get({}, '/jwks'))
  })
})

describe('a record that cannot be kept', () => {
  it('stops the issuing, and the client may try again', async () => {
    let isRecording = false
    const sts = await createTestTokenService({ isRecording: () => isRecording })
    const refused = await sts.exchange()
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect(refused.json).not.toHaveProperty('access_token')
    isRecording = true
    expect((await sts.exchange()).status).toBe(200)
  })
})

describe('what is counted', () => {
  it('is every answer, by kind and error', async () => {
    const counted: unknown[] = []
    const count = (message: unknown): void => {
      counted.push(message)
    }
    channels.tokenService.subscribe(count)
    try {
      const sts = await createTestTokenService()
      await sts.exchange()
      await sts.exchange({ audience: 'nobody' })
    } finally {
      channels.tokenService.unsubscribe(count)
    }
    expect(counted).toEqual([
      { endpoint: 'token', kind: 'issued', error: undefined },
      { endpoint: 'token', kind: 'refused', error: 'invalid_target' },
    ])
  })
})

describe('an unexpected failure', () => {
  it('issues nothing, says nothing, and is recorded', async () => {
    const replay = {
      use: () => Promise.reject(new Error('the secret is canary')),
      close: async () => {},
    }
    const sts = await createTestTokenService({ replay })
    const answer = await sts.exchange(
      {
        client_assertion: await sts.assertion(),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      },
      undefined,
    )
    expect(answer.status).toBe(500)
    expect(answer.json).toEqual({ error: 'server_error', error_description: 'internal error' })
    expect(JSON.stringify(sts.lastEvent())).not.toContain('canary')
    expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error: 'server_error' })
  })
})

describe('the rate limit of a client', () => {
  const limited = async () => {
    const first = await createTestTokenService()
    const { clients } = createTestStsConfig(first.login, first.reports)
    const rateLimit = { requests: 3, perSeconds: 30 }
    return createTestTokenService({ clients: clients.map(client => ({ ...client, rateLimit })) })
  }

  it('counts all endpoints together, answers 429 with Retry-After, and is recorded with the client', async () => {
    const sts = await limited()
    expect((await sts.exchange()).status).toBe(200)
    expect((await sts.ask('/introspect', { token: 'x' })).status).toBe(200)
    expect((await sts.ask('/revoke', { token: 'x' })).status).toBe(200)
    const requests = [
      sts.exchange(),
      sts.ask('/introspect', { token: 'x' }),
      sts.ask('/revoke', { token: 'x' }),
    ]
    for (const answer of await Promise.all(requests)) {
      expect(answer).toMatchObject({
        status: 429,
        headers: { 'retry-after': '10', 'cache-control': 'no-store' },
        json: { error: 'temporarily_unavailable' },
      })
      expect(answer.headers).not.toHaveProperty('www-authenticate')
    }
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      client: 'orders',
      error: 'temporarily_unavailable',
      detail: 'rate limit of the client',
    })
    sts.clock.advanceMs(10_000)
    expect((await sts.exchange()).status).toBe(200)
  })

  it('cannot be used up by a stranger in the name of the client', async () => {
    const sts = await limited()
    for (let count = 0; count < 10; count++) {
      await sts.ask('/introspect', { token: 'x' }, { authorization: basic('orders', 'wrong') })
    }
    expect((await sts.exchange()).status).toBe(200)
  })
})
