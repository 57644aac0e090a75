import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { Secret } from '../../src/base/secret.ts'
import { createMemoryRevocationStore } from '../../src/sts/memory-revocation-store.ts'
import { createRedisRevocationStore } from '../../src/sts/redis-revocation-store.ts'
import { type RevocationStore, RevocationStoreError } from '../../src/sts/revocation-store.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis({ faults: true })
})
afterAll(() => redis.stop())

let run = 0
const openRedis = (prefix = `${redis.prefix}${++run}:`): RevocationStore =>
  createRedisRevocationStore({ url: new Secret(redis.url), prefix, timeoutMs: 500 }, systemClock)

describe.each([
  ['memory', () => createMemoryRevocationStore(systemClock)],
  ['redis', () => openRedis()],
])('the revocation store in %s', (_, open) => {
  let store: RevocationStore
  beforeEach(() => {
    store = open()
  })
  afterEach(() => store.close())
  const later = (seconds = 60): number => systemClock.now() + seconds

  it('knows what was revoked, and nothing else', async () => {
    expect(await store.isRevoked(['a'])).toBe(false)
    await store.revoke('a', later())
    expect(await store.isRevoked(['a'])).toBe(true)
    expect(await store.isRevoked(['b'])).toBe(false)
    expect(await store.isRevoked(['A'])).toBe(false)
  })

  it('finds one that was revoked among others, wherever it stands', async () => {
    await store.revoke('b', later())
    expect(await store.isRevoked(['a', 'b', 'c'])).toBe(true)
    expect(await store.isRevoked(['b', 'a'])).toBe(true)
    expect(await store.isRevoked(['a', 'c'])).toBe(false)
    expect(await store.isRevoked([])).toBe(false)
  })

  it('takes a second revocation for the same', async () => {
    await store.revoke('a', later())
    await store.revoke('a', later())
    expect(await store.isRevoked(['a'])).toBe(true)
  })

  it('remembers it until the token would have ended anyway', async () => {
    const expiresAt = later(1)
    await store.revoke('a', expiresAt)
    expect(await store.isRevoked(['a'])).toBe(true)
    await expect.poll(() => store.isRevoked(['a']), { timeout: 5_000 }).toBe(false)
    expect(systemClock.now()).toBeGreaterThanOrEqual(expiresAt)
  })

  it('has nothing to remember of a token that has ended', async () => {
    await store.revoke('a', later(-1))
    expect(await store.isRevoked(['a'])).toBe(false)
  })
})

describe('the revocation store in memory', () => {
  it('refuses to revoke rather than forget a mark before its time', async () => {
    const clock = createFakeClock()
    const store = createMemoryRevocationStore(clock, 2)
    await store.revoke('a', clock.now() + 10)
    await store.revoke('b', clock.now() + 60)
    await expect(store.revoke('c', clock.now() + 60)).rejects.toThrow(RevocationStoreError)
    await store.revoke('b', clock.now() + 60)
    expect(await store.isRevoked(['a'])).toBe(true)
    expect(await store.isRevoked(['c'])).toBe(false)
    clock.advanceMs(10_000)
    await store.revoke('c', clock.now() + 60)
    expect(await store.isRevoked(['b'])).toBe(true)
    expect(await store.isRevoked(['c'])).toBe(true)
  })
})

describe('the revocation store in Redis', () => {
  const later = (): number => systemClock.now() + 60

  it('is one store for all replicas', async () => {
    const [one, other] = [openRedis(`${redis.prefix}shared:`), openRedis(`${redis.prefix}shared:`)]
    await one.revoke('a', later())
    expect(await other.isRevoked(['a'])).toBe(true)
    await Promise.all([one.close(), other.close()])
  })

  it('keeps nothing for ever', async () => {
    const prefix = `${redis.prefix}expiring:`
    const store = openRedis(prefix)
    await store.revoke('a', later())
    expect(await redis.cli('KEYS', `${prefix}*`)).toBe(`${prefix}revoked:a`)
    const lifeMs = Number(await redis.cli('PTTL', `${prefix}revoked:a`))
    expect(lifeMs).toBeGreaterThan(0)
    expect(lifeMs).toBeLessThanOrEqual(60_000)
    await store.close()
  })

  it('rejects in bounded time while Redis hangs or is gone, and knows what was revoked when it is back', async () => {
    const store = openRedis()
    await store.revoke('a', later())

    const frozen = redis.pause(1_500)
    await expect(store.isRevoked(['a'])).rejects.toThrow(RevocationStoreError)
    await expect(store.revoke('b', later())).rejects.toThrow(RevocationStoreError)
    await frozen
    await expect.poll(() => store.isRevoked(['a']).catch(String), { timeout: 10_000 }).toBe(true)

    await redis.stop()
    await expect.poll(() => store.isRevoked(['a']).catch(String)).toContain('RevocationStoreError')
    await expect(store.revoke('c', later())).rejects.toThrow(RevocationStoreError)
    await redis.restart()
    await expect.poll(() => store.isRevoked(['c']).catch(String), { timeout: 10_000 }).toBe(false)
    await store.close()
  })

  it('rejects a revocation that a read-only Redis would not keep', async () => {
    const store = openRedis()
    await redis.cli('REPLICAOF', '127.0.0.1', '1')
    await expect(store.revoke('a', later())).rejects.toThrow(RevocationStoreError)
    await redis.cli('REPLICAOF', 'NO', 'ONE')
    await expect.poll(() => store.revoke('a', later()).catch(String), { timeout: 10_000 }).toBeUndefined()
    await store.close()
  })

  it('says nothing of the mark or the address when it rejects', async () => {
    const url = new Secret('redis://user:password@127.0.0.1:1')
    const store = createRedisRevocationStore({ url, prefix: 'p:', timeoutMs: 300 }, systemClock)
    const error = await store.isRevoked(['the-mark']).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(RevocationStoreError)
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/the-mark|password|127\.0/)
    await store.close()
  })
})
