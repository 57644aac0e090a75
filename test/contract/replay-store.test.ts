import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { Secret } from '../../src/base/secret.ts'
import { createMemoryReplayStore } from '../../src/sts/memory-replay-store.ts'
import { createRedisReplayStore } from '../../src/sts/redis-replay-store.ts'
import { type ReplayStore, ReplayStoreError } from '../../src/sts/replay-store.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis({ faults: true })
})
afterAll(() => redis.stop())

let run = 0
const openRedis = (prefix = `${redis.prefix}${++run}:`): ReplayStore =>
  createRedisReplayStore({ url: new Secret(redis.url), prefix, timeoutMs: 500 }, systemClock)

describe.each([
  ['memory', () => createMemoryReplayStore(systemClock)],
  ['redis', () => openRedis()],
])('the replay store in %s', (_, open) => {
  let store: ReplayStore
  beforeEach(() => {
    store = open()
  })
  afterEach(() => store.close())
  const later = (seconds = 60): number => systemClock.now() + seconds

  it('lets a key be used once', async () => {
    expect(await store.use('a', later())).toBe(true)
    expect(await store.use('a', later())).toBe(false)
    expect(await store.use('a', later(600))).toBe(false)
  })

  it('lets one of many concurrent uses through', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => store.use('a', later())))
    expect(answers.filter(isFirst => isFirst)).toHaveLength(1)
  })

  it.each([
    ['a', 'A'],
    ['a', 'a '],
    ['a:b', 'a'],
    ['é', 'e\u0301'],
    ['x'.repeat(5_000), 'x'.repeat(5_001)],
    ['__proto__', 'constructor'],
  ])('takes %j and %j for two keys', async (one, other) => {
    expect(await store.use(one, later())).toBe(true)
    expect(await store.use(other, later())).toBe(true)
  })

  it('remembers a key until it expires', async () => {
    const expiresAt = later(1)
    expect(await store.use('a', expiresAt)).toBe(true)
    expect(await store.use('a', later())).toBe(false)
    await expect.poll(() => store.use('a', later()), { timeout: 5_000 }).toBe(true)
    expect(systemClock.now()).toBeGreaterThanOrEqual(expiresAt)
  })

  it('does not accept a key that has expired', async () => {
    expect(await store.use('a', later(-1))).toBe(false)
    expect(await store.use('a', later())).toBe(true)
  })
})

describe('the replay store in memory', () => {
  it('refuses rather than forget a key before its time', async () => {
    const clock = createFakeClock()
    const store = createMemoryReplayStore(clock, 2)
    expect(await store.use('a', clock.now() + 10)).toBe(true)
    expect(await store.use('b', clock.now() + 60)).toBe(true)
    await expect(store.use('c', clock.now() + 60)).rejects.toThrow(ReplayStoreError)
    expect(await store.use('a', clock.now() + 60)).toBe(false)
    clock.advanceMs(10_000)
    expect(await store.use('c', clock.now() + 60)).toBe(true)
    await expect(store.use('d', clock.now() + 60)).rejects.toThrow(ReplayStoreError)
  })
})

describe('the replay store in Redis', () => {
  const later = (): number => systemClock.now() + 60

  it('is one store for all replicas', async () => {
    const [one, other] = [openRedis(`${redis.prefix}shared:`), openRedis(`${redis.prefix}shared:`)]
    expect(await one.use('a', later())).toBe(true)
    expect(await other.use('a', later())).toBe(false)
    await Promise.all([one.close(), other.close()])
  })

  it('stores no key in clear text, and nothing for ever', async () => {
    const prefix = `${redis.prefix}hashed:`
    const store = openRedis(prefix)
    await store.use('the-assertion-id', later())
    const [name = '', ...more] = (await redis.cli('KEYS', `${prefix}*`)).split('\n')
    expect(more).toEqual([])
    expect(name).toMatch(/:replay:[\w-]{43}$/)
    expect(name).not.toContain('the-assertion-id')
    expect(Number(await redis.cli('PTTL', name))).toBeGreaterThan(0)
    expect(Number(await redis.cli('PTTL', name))).toBeLessThanOrEqual(60_000)
    await store.close()
  })

  it('rejects in bounded time while Redis hangs, is gone or read-only, and works again afterwards', async () => {
    const store = openRedis()
    expect(await store.use('a', later())).toBe(true)

    const frozen = redis.pause(1_500)
    await expect(store.use('b', later())).rejects.toThrow(ReplayStoreError)
    await frozen

    await redis.stop()
    await expect.poll(() => store.use('c', later()).catch(String)).toContain('ReplayStoreError')

    await redis.restart()
    await expect.poll(() => store.use('d', later()).catch(String), { timeout: 10_000 }).toBe(true)
    await redis.cli('REPLICAOF', '127.0.0.1', '1')
    await expect(store.use('e', later())).rejects.toThrow(ReplayStoreError)
    await redis.cli('REPLICAOF', 'NO', 'ONE')
    await expect.poll(() => store.use('f', later()).catch(String), { timeout: 10_000 }).toBe(true)
    await store.close()
  })

  it('says nothing of the key or the address when it rejects', async () => {
    const url = new Secret('redis://user:password@127.0.0.1:1')
    const store = createRedisReplayStore({ url, prefix: 'p:', timeoutMs: 300 }, systemClock)
    const error = await store.use('the-assertion-id', later()).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(ReplayStoreError)
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(
      /assertion-id|password|127\.0/,
    )
    await store.close()
  })
})

it('takes no options of the client library from the address of Redis', () => {
  const url = new Secret(`${redis.url}?enableOfflineQueue=true`)
  expect(() => createRedisReplayStore({ url, prefix: 'x:', timeoutMs: 500 }, systemClock)).toThrow(TypeError)
})
