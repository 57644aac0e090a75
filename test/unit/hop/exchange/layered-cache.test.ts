import { describe, expect, it } from 'vitest'
import type { IssuedTokenCache } from '../../../../src/hop/exchange/cache.ts'
import type { CacheKey } from '../../../../src/hop/exchange/cache-key.ts'
import { LayeredCache } from '../../../../src/hop/exchange/layered-cache.ts'
import { MemoryCache } from '../../../../src/hop/exchange/memory-cache.ts'
import type { IssuedToken } from '../../../../src/model/issued-token.ts'
import { anIssuedToken } from '../../../support/nouns.ts'

const now = 1_800_000_000
const key: CacheKey = { id: 'a', seal: Buffer.alloc(32) }
const token = anIssuedToken({ expiresAt: now + 60 })

/** A shared tier that answers when told. */
class SlowTier implements IssuedTokenCache {
  readonly reads: PromiseWithResolvers<IssuedToken | undefined>[] = []
  readonly deleted: string[] = []
  readonly written: string[] = []
  get() {
    const read = Promise.withResolvers<IssuedToken | undefined>()
    this.reads.push(read)
    return read.promise
  }
  set({ id }: CacheKey) {
    this.written.push(id)
    return new Promise<void>(() => {})
  }
  delete({ id }: CacheKey) {
    this.deleted.push(id)
  }
}

const start = () => {
  const memory = new MemoryCache({ maxEntries: 10, maxBytes: 100_000 })
  const shared = new SlowTier()
  return { memory, shared, cache: new LayeredCache(memory, shared) }
}

describe('LayeredCache', () => {
  it('answers from memory at once and does not bother the shared tier', () => {
    const { cache, shared } = start()
    cache.set(key, token, now)
    expect(cache.find(key, now)).toEqual({ token, source: 'memory' })
    expect(shared.reads.length).toBe(0)
  })

  it('answers what only the shared tier has, says so, and keeps it in memory', async () => {
    const { cache, shared } = start()
    const found = cache.find(key, now)
    await Promise.resolve()
    shared.reads[0]?.resolve(token)
    expect(await found).toEqual({ token, source: 'redis' })
    expect(cache.peek(key, now)).toBe(token)
  })

  it('keeps in memory, and out of the shared tier, what is for this process only', () => {
    const { cache, shared } = start()
    const local: CacheKey = { ...key, isLocal: true }
    expect(cache.find(local, now)).toBeUndefined()
    cache.set(local, token, now)
    expect(cache.find(local, now)).toEqual({ token, source: 'memory' })
    cache.delete(local)
    expect(cache.find(local, now)).toBeUndefined()
    expect([shared.reads.length, shared.written, shared.deleted]).toEqual([0, [], []])
  })

  it('writes and deletes both, and waits for no write', () => {
    const { cache, shared, memory } = start()
    expect(cache.set(key, token, now)).toBeUndefined()
    expect(shared.written).toEqual(['a'])
    cache.delete(key)
    expect(shared.deleted).toEqual(['a'])
    expect(memory.get(key, now)).toBeUndefined()
  })

  it('reads once for everybody who asks at the same time', async () => {
    const { cache, shared } = start()
    const found = [1, 2, 3].map(() => cache.get(key, now))
    await Promise.resolve()
    shared.reads[0]?.resolve(token)
    expect(await Promise.all(found)).toEqual([token, token, token])
    expect(shared.reads.length).toBe(1)
  })

  it('lets a delete win over a read that is under way', async () => {
    const { cache, shared } = start()
    const found = cache.find(key, now)
    await Promise.resolve()
    cache.delete(key)
    shared.reads[0]?.resolve(token)
    expect(await found).toBeUndefined()
    expect(cache.peek(key, now)).toBeUndefined()
  })

  it('is memory alone, and never a promise, without a shared tier', () => {
    const cache = new LayeredCache(new MemoryCache({ maxEntries: 10, maxBytes: 100_000 }))
    expect(cache.find(key, now)).toBeUndefined()
    cache.set(key, token, now)
    expect(cache.get(key, now)).toBe(token)
    expect(cache.delete(key)).toBeUndefined()
    expect(cache.get(key, now)).toBeUndefined()
  })
})
