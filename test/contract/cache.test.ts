import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { IssuedTokenCache } from '../../src/hop/exchange/cache.ts'
import type { CacheKey } from '../../src/hop/exchange/cache-key.ts'
import { LayeredCache } from '../../src/hop/exchange/layered-cache.ts'
import { MemoryCache } from '../../src/hop/exchange/memory-cache.ts'
import { RedisCache } from '../../src/hop/exchange/redis-cache.ts'
import type { IssuedToken } from '../../src/model/issued-token.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import { anIssuedToken } from '../support/nouns.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

/** The contract of `IssuedTokenCache`, on every implementation. */

let redis: TestRedis
const opened: RedisCache[] = []

beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => {
  for (const cache of opened) cache.close()
  await redis.stop()
})

async function openRedis(): Promise<RedisCache> {
  const url = new Secret(redis.url)
  const cache = new RedisCache({ url, prefix: redis.prefix, timeoutMs: 2000, log: silentLog })
  opened.push(cache)
  await vi.waitFor(() => expect(cache.isUp).toBe(true), 5000)
  return cache
}

const memory = () => new MemoryCache({ maxEntries: 1000, maxBytes: 1_000_000 })

const tiers: Record<string, () => Promise<IssuedTokenCache>> = {
  memory: async () => memory(),
  redis: openRedis,
  'memory in front of redis': async () => new LayeredCache(memory(), await openRedis()),
  'memory alone, layered': async () => new LayeredCache(memory()),
}

const aKey = (): CacheKey => ({ id: randomBytes(32).toString('base64url'), seal: randomBytes(32) })
const now = () => Date.now() / 1000
const plain = (token: IssuedToken | undefined) =>
  token === undefined ? undefined : { ...token, value: token.value.expose() }

describe.each(Object.keys(tiers))('%s', name => {
  let cache: IssuedTokenCache
  beforeAll(async () => {
    const open = tiers[name]
    if (open === undefined) throw new Error(name)
    cache = await open()
  })

  it('has nothing for a key that was never set', async () => {
    expect(await cache.get(aKey(), now())).toBeUndefined()
  })

  it('gives back what was set, in every field', async () => {
    const key = aKey()
    const token = anIssuedToken({
      expiresAt: now() + 60,
      actors: ['orders', 'shop-web'],
      scope: scopeSet(['a', 'b']),
      tokenId: undefined,
      value: new Secret('x'.repeat(12_000)),
    })
    await cache.set(key, token, now())
    expect(plain(await cache.get(key, now()))).toEqual(plain(token))
  })

  it('gives back the last that was set', async () => {
    const key = aKey()
    await cache.set(key, anIssuedToken({ expiresAt: now() + 60, tokenId: 'first' }), now())
    await cache.set(key, anIssuedToken({ expiresAt: now() + 60, tokenId: 'second' }), now())
    expect((await cache.get(key, now()))?.tokenId).toBe('second')
  })

  it('gives back nothing at or after its end', async () => {
    const key = aKey()
    const token = anIssuedToken({ expiresAt: now() + 60 })
    await cache.set(key, token, now())
    expect(await cache.get(key, token.expiresAt - 0.001)).toBeDefined()
    expect(await cache.get(key, token.expiresAt)).toBeUndefined()
    expect(await cache.get(key, token.expiresAt + 1)).toBeUndefined()
  })

  it('does not take what has ended', async () => {
    const key = aKey()
    const at = now()
    await cache.set(key, anIssuedToken({ expiresAt: at }), at)
    expect(await cache.get(key, at - 60)).toBeUndefined()
  })

  it('forgets what is deleted, and nothing else', async () => {
    const [deleted, kept] = [aKey(), aKey()]
    for (const key of [deleted, kept]) await cache.set(key, anIssuedToken({ expiresAt: now() + 60 }), now())
    await cache.delete(deleted)
    expect(await cache.get(deleted, now())).toBeUndefined()
    expect(await cache.get(kept, now())).toBeDefined()
    await cache.delete(aKey())
  })

  it('never answers one key with the token of another', async () => {
    const keys = Array.from({ length: 20 }, aKey)
    for (const [index, key] of keys.entries()) {
      await cache.set(key, anIssuedToken({ expiresAt: now() + 60, tokenId: `t${index}` }), now())
    }
    for (const [index, key] of keys.entries())
      expect((await cache.get(key, now()))?.tokenId).toBe(`t${index}`)
  })
})

describe('memory in front of redis', () => {
  it('finds in Redis what another process has put there, and then has it in memory', async () => {
    const [mine, other] = [new LayeredCache(memory(), await openRedis()), await openRedis()]
    const key = aKey()
    await other.set(key, anIssuedToken({ expiresAt: now() + 60 }), now())
    expect((await mine.find(key, now()))?.source).toBe('redis')
    expect(mine.find(key, now())).toMatchObject({ source: 'memory' })
  })

  it('deletes in Redis too', async () => {
    const [mine, other] = [new LayeredCache(memory(), await openRedis()), await openRedis()]
    const key = aKey()
    mine.set(key, anIssuedToken({ expiresAt: now() + 60 }), now())
    await vi.waitFor(async () => expect(await other.get(key, now())).toBeDefined())
    await mine.delete(key)
    expect(await other.get(key, now())).toBeUndefined()
  })
})
