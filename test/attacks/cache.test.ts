import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { channels } from '../../src/base/channels.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { fail, ok } from '../../src/base/result.ts'
import { Secret } from '../../src/base/secret.ts'
import { createExchange } from '../../src/hop/exchange/exchange.ts'
import { LayeredCache } from '../../src/hop/exchange/layered-cache.ts'
import { MemoryCache } from '../../src/hop/exchange/memory-cache.ts'
import { RedisCache } from '../../src/hop/exchange/redis-cache.ts'
import type { ExchangeRequest } from '../../src/model/exchange-request.ts'
import { refusal } from '../../src/model/refusal.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import { startAuthorizationServer, type TestAuthorizationServer } from '../support/authorization-server.ts'
import { permittedRequest } from '../support/exchange-request.ts'
import {
  type ExchangeStageOptions,
  startExchangeStage,
  type TestExchangeStage,
} from '../support/exchange-stage.ts'
import { anIssuedToken } from '../support/nouns.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

/**
 * Attacks on the cache of issued tokens. One user gets another's token because a key leaves something out; somebody who
 * can read or write Redis turns that into tokens; somebody with one bad token makes everybody's good one fail.
 */

let redis: TestRedis
let server: TestAuthorizationServer
const stages: TestExchangeStage[] = []
const tiers: RedisCache[] = []
const rejected: unknown[] = []
const onRejected = (message: unknown) => rejected.push(message)

beforeAll(async () => {
  redis = await startRedis({ faults: true })
  channels.cacheRejected.subscribe(onRejected)
})
afterAll(async () => {
  channels.cacheRejected.unsubscribe(onRejected)
  await redis.stop()
})
beforeEach(async () => {
  rejected.length = 0
  server = await startAuthorizationServer()
  // Says for whom it issued: the subject token's own text is the subject here.
  server.onToken(async ({ form }) => ({
    body: {
      access_token: await server.signer.sign({
        ...server.claimsFor(form),
        sub: (form.get('subject_token') ?? '').split('.')[1],
      }),
      token_type: 'Bearer',
      issued_token_type: form.get('requested_token_type'),
      expires_in: 300,
    },
  }))
})
afterEach(async () => {
  for (const stage of stages.splice(0)) await stage.close()
  for (const tier of tiers.splice(0)) tier.close()
  await server.close()
  await redis.cli('FLUSHALL')
})

/** One more replica: its own memory, the same Redis and the same server. */
async function replica(options: ExchangeStageOptions = {}): Promise<TestExchangeStage> {
  const tier = new RedisCache({ url: new Secret(redis.url), prefix: 'a:', timeoutMs: 500, log: silentLog })
  tiers.push(tier)
  await vi.waitFor(() => expect(tier.isUp).toBe(true), 5000)
  const stage = await startExchangeStage({ server: server.issuer }, { redis: tier, server, ...options })
  stages.push(stage)
  return stage
}

/** A request for a user whose token is a text of its own. */
function requestOf(
  user: string,
  token: Partial<VerifiedToken> = {},
  audience = 'orders-api',
): ExchangeRequest {
  const text = `h.${user}.${'s'.repeat(43)}${user}`
  return permittedRequest(
    { audience },
    { subject: user, presented: new Secret(text), fingerprint: `f-${user}`, ...token },
  )
}

const entries = async () =>
  (await redis.cli('KEYS', 'a:*'))
    .split('\n')
    .filter(name => name !== '')
    .sort()
const written = (count: number) => vi.waitFor(async () => expect((await entries()).length).toBe(count))

async function sourceOf(stage: TestExchangeStage, request: ExchangeRequest) {
  const result = await stage.exchange(request)
  return result.ok ? result.value.source : result.error.code
}

describe('the positive twin', () => {
  it('shares one exchange between replicas through Redis, and then each has it in memory', async () => {
    const [first, second] = [await replica(), await replica()]
    expect(await sourceOf(first, requestOf('alice'))).toBe('issued')
    await written(1)
    expect(await sourceOf(second, requestOf('alice'))).toBe('redis')
    expect(await sourceOf(second, requestOf('alice'))).toBe('memory')
    expect(server.tokenRequests.length).toBe(1)
  })
})

describe('G01 to G03 keys that leave something out', () => {
  it('never serves a request with the token of another one', async () => {
    const stage = await replica()
    await stage.exchange(requestOf('alice', { scope: scopeSet(['orders:read', 'b', 'c']) }))
    const others: [string, ExchangeRequest][] = [
      [
        'another session of the same user',
        requestOf('alice', { presented: new Secret(`h.alice.${'t'.repeat(50)}`) }),
      ],
      ['another fingerprint', requestOf('alice', { fingerprint: 'other' })],
      ['another token id', requestOf('alice', { tokenId: 'other' })],
      ['the same token id of another issuer', requestOf('alice', { issuer: 'https://other.test' })],
      ['another level of authentication', requestOf('alice', { authenticationContext: 'mfa' })],
      ['another actor', requestOf('alice', { actor: { subject: 'orders' } })],
      ['another expiry', requestOf('alice', { expiresAt: 1_999_999_999 })],
      ['another audience', requestOf('alice', {}, 'billing-api')],
    ]
    for (const [what, request] of others) {
      const before = server.tokenRequests.length
      await stage.exchange(request)
      expect(server.tokenRequests.length, what).toBe(before + 1)
    }
  })

  it('never serves another client, server or policy from the same Redis', async () => {
    await sourceOf(await replica(), requestOf('alice'))
    await written(1)
    for (const context of [
      { clientId: 'billing' },
      { server: 'https://other.test' },
      { policyDigest: 'new' },
    ]) {
      expect(await sourceOf(await replica({ context }), requestOf('alice'))).toBe('issued')
    }
    expect(await sourceOf(await replica(), requestOf('alice'))).toBe('redis')
  })

  it('does not confuse fields that run into each other', async () => {
    const stage = await replica()
    const all = [
      requestOf('alice', { issuer: 'a|b', tokenId: 'c' }),
      requestOf('alice', { issuer: 'a', tokenId: 'b|c' }),
      requestOf('alice', { issuer: 'a', tokenId: undefined as never, authenticationContext: 'b|c' }),
    ]
    for (const request of all) expect(await sourceOf(stage, request)).toBe('issued')
  })
})

describe('G04 tenants and names in Redis', () => {
  it('puts nothing that a token says into a name', async () => {
    const stage = await replica()
    for (const user of ['*', '{tag}', 'x\r\nFLUSHALL\r\n', '\u0000', 'a:b'])
      await stage.exchange(requestOf(user))
    await vi.waitFor(async () => expect((await entries()).length).toBeGreaterThan(0))
    for (const name of await entries()) expect(name).toMatch(/^a:[A-Za-z0-9_-]{43}$/)
  })
})

describe('G05 a Redis that somebody else writes to', () => {
  it('exchanges again, and says so, when an entry was tampered with', async () => {
    await sourceOf(await replica(), requestOf('alice'))
    await written(1)
    const [name = ''] = await entries()
    await redis.cli('SETRANGE', name, '30', 'xxxx')
    expect(await sourceOf(await replica(), requestOf('alice'))).toBe('issued')
    expect(rejected).toEqual([{ reason: 'unreadable' }])
  })

  it('never serves bob with alice’s entry put in the place of his', async () => {
    const writer = await replica()
    await writer.exchange(requestOf('alice'))
    await written(1)
    const [alice = ''] = await entries()
    await writer.exchange(requestOf('bob'))
    await written(2)
    const bob = (await entries()).find(name => name !== alice) ?? ''
    await redis.cli('COPY', alice, bob, 'REPLACE')
    const result = await (await replica()).exchange(requestOf('bob'))
    expect(result.ok && result.value.source).toBe('issued')
    expect(result.ok && subjectOf(result.value.token.value.expose())).toBe('bob')
    expect(rejected.length).toBe(1)
  })

  it('keeps nothing there that opens without the subject token', async () => {
    const stage = await replica()
    const result = await stage.exchange(requestOf('alice'))
    await written(1)
    const [name = ''] = await entries()
    const entry = await redis.cli('GET', name)
    expect(entry).not.toContain('eyJ')
    expect(entry).not.toContain('alice')
    // Everything that the audit trail shows about the token, and a guess at its signature.
    const guess = requestOf('alice', { presented: new Secret(`h.alice.${'u'.repeat(43)}alice`) })
    expect(result.ok).toBe(true)
    expect(await sourceOf(await replica(), guess)).toBe('issued')
  })
})

describe('G06 a Redis that is down', () => {
  it('costs a call, not the request, and everybody keeps their own token', async () => {
    const stage = await replica()
    const users = Array.from({ length: 40 }, (_, index) => `user-${index}`)
    const paused = redis.pause(700)
    const results = await Promise.all(users.map(user => stage.exchange(requestOf(user))))
    for (const [index, result] of results.entries()) {
      expect(result.ok && subjectOf(result.value.token.value.expose())).toBe(users[index])
    }
    await paused
  })

  it('never answers one user with another while connections are killed', async () => {
    const stage = await replica()
    let stop = false
    const killer = (async () => {
      while (!stop) {
        await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => {})
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    })()
    for (let round = 0; round < 5; round++) {
      const users = Array.from({ length: 60 }, (_, index) => `u${round}-${index % 30}`)
      const results = await Promise.all(users.map(user => stage.exchange(requestOf(user))))
      for (const [index, result] of results.entries()) {
        expect(result.ok && subjectOf(result.value.token.value.expose())).toBe(users[index])
      }
    }
    stop = true
    await killer
  })
})

describe('G07 the moment of expiry', () => {
  it('is one exchange, however many ask', async () => {
    const stage = await replica()
    server.onTokenIssue({ response: { expires_in: 1 } })
    const request = permittedRequest()
    await stage.exchange(request)
    await new Promise(resolve => setTimeout(resolve, 600))
    await Promise.all(Array.from({ length: 200 }, () => stage.exchange(request)))
    expect(server.tokenRequests.length).toBe(2)
  })

  it('does not keep the token of an exchange that began before the eviction', async () => {
    const stage = await replica()
    const release = Promise.withResolvers<void>()
    server.onToken(async ({ form }) => {
      await release.promise
      return {
        body: {
          access_token: await server.signer.sign(server.claimsFor(form)),
          token_type: 'Bearer',
          issued_token_type: form.get('requested_token_type'),
        },
      }
    })
    const before = stage.exchange(permittedRequest())
    await vi.waitFor(() => expect(server.tokenRequests.length).toBe(1))
    stage.exchange.evict(permittedRequest())
    release.resolve()
    expect(await before).toMatchObject({ ok: true })
    expect(await entries()).toEqual([])
    expect(await sourceOf(stage, permittedRequest())).toBe('issued')
  })

  it('evicts in Redis, for the replicas that do not hold it in memory', async () => {
    const stage = await replica()
    await stage.exchange(requestOf('alice'))
    await written(1)
    stage.exchange.evict(requestOf('alice'))
    await written(0)
    expect(await sourceOf(await replica(), requestOf('alice'))).toBe('issued')
  })
})

describe('G12 and G13 floods', () => {
  const start = (answers: (request: ExchangeRequest) => boolean) => {
    let calls = 0
    const context = { clientId: 'orders', server: 's', policyDigest: 'p' }
    const memory = new MemoryCache({ maxEntries: 500, maxBytes: 200_000 })
    const exchange = createExchange({
      cache: new LayeredCache(memory),
      exchanger: {
        exchange: async request => {
          calls++
          return request.mode !== 'machine' && answers(request)
            ? ok(anIssuedToken())
            : fail(refusal('exchange.subject_rejected', 'no'))
        },
      },
      context: () => context,
      timeoutMs: 1000,
      negativeSeconds: 60,
      clock: systemClock,
    })
    return { exchange, memory, calls: () => calls }
  }

  it('a bad token does not block the good one of the same subject, session or id', async () => {
    const { exchange } = start(request => request.subjectToken.expose().endsWith('good'))
    const tokens = ['bad', 'good'].map(kind =>
      permittedRequest({}, { presented: new Secret(`h.p.${'x'.repeat(50)}${kind}`) }),
    )
    const [bad, good] = tokens as [ExchangeRequest, ExchangeRequest]
    expect((await exchange(bad)).ok).toBe(false)
    expect((await exchange(good)).ok).toBe(true)
    expect((await exchange(bad)).ok).toBe(false)
  })

  it('a flood of bad tokens pushes no good token out', async () => {
    const { exchange, calls } = start(request => request.subject === 'alice')
    await exchange(requestOf('alice'))
    for (let index = 0; index < 2000; index++)
      await exchange(permittedRequest({}, { subject: 'eve', tokenId: randomUUID() }))
    expect(exchange(requestOf('alice'))).toMatchObject({ value: { source: 'memory' } })
    expect(calls()).toBe(2001)
  })

  it('a flood of good tokens fills no more memory than is allowed', async () => {
    const { exchange, memory } = start(() => true)
    for (let index = 0; index < 2000; index++) await exchange(permittedRequest({}, { tokenId: randomUUID() }))
    expect(memory.size).toBeLessThanOrEqual(500)
    expect(memory.bytes).toBeLessThanOrEqual(200_000)
  })
})

function subjectOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sub
}
