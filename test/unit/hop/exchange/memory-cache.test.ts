import { describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import type { CacheKey } from '../../../../src/hop/exchange/cache-key.ts'
import { MemoryCache } from '../../../../src/hop/exchange/memory-cache.ts'
import { anIssuedToken } from '../../../support/nouns.ts'

const now = 1_800_000_000
const keyOf = (id: string): CacheKey => ({ id, seal: Buffer.alloc(32) })
const token = anIssuedToken({ expiresAt: now + 60 })

describe('MemoryCache', () => {
  it('answers with the very token, not a promise', () => {
    const cache = new MemoryCache({ maxEntries: 10, maxBytes: 100_000 })
    cache.set(keyOf('a'), token, now)
    expect(cache.get(keyOf('a'), now)).toBe(token)
  })

  it('forgets what has ended by the time that the caller says, whatever the machine clock says', () => {
    const cache = new MemoryCache({ maxEntries: 10, maxBytes: 100_000 })
    cache.set(keyOf('a'), token, now)
    expect(cache.get(keyOf('a'), now + 59.999)).toBe(token)
    expect(cache.get(keyOf('a'), now + 60)).toBeUndefined()
    expect(cache.size).toBe(0)
  })

  it('holds no more entries than it may, and lets go of the one that was used least recently', () => {
    const cache = new MemoryCache({ maxEntries: 2, maxBytes: 100_000 })
    cache.set(keyOf('a'), token, now)
    cache.set(keyOf('b'), token, now)
    cache.get(keyOf('a'), now)
    cache.set(keyOf('c'), token, now)
    expect(['a', 'b', 'c'].map(id => cache.get(keyOf(id), now) !== undefined)).toEqual([true, false, true])
  })

  it('holds no more bytes than it may, under a flood of distinct tokens', () => {
    const cache = new MemoryCache({ maxEntries: 100_000, maxBytes: 50_000 })
    for (let index = 0; index < 1000; index++) {
      cache.set(
        keyOf(`k${index}`),
        anIssuedToken({ value: new Secret('x'.repeat(2000)), expiresAt: now + 60 }),
        now,
      )
      expect(cache.bytes).toBeLessThanOrEqual(50_000)
    }
    expect(cache.size).toBeGreaterThan(5)
    expect(cache.get(keyOf('k999'), now)).toBeDefined()
  })

  it('does not keep an entry that is larger than everything it may hold', () => {
    const cache = new MemoryCache({ maxEntries: 10, maxBytes: 5_000 })
    cache.set(keyOf('small'), token, now)
    cache.set(
      keyOf('large'),
      anIssuedToken({ value: new Secret('x'.repeat(5_000)), expiresAt: now + 60 }),
      now,
    )
    expect(cache.get(keyOf('large'), now)).toBeUndefined()
    expect(cache.get(keyOf('small'), now)).toBe(token)
  })

  it('does not trip over names of object members', () => {
    const cache = new MemoryCache({ maxEntries: 10, maxBytes: 100_000 })
    expect(cache.get(keyOf('__proto__'), now)).toBeUndefined()
    expect(cache.get(keyOf('constructor'), now)).toBeUndefined()
  })
})
