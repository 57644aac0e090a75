import { describe, expect, it } from 'vitest'
import { LruMap } from '../../../src/base/lru-map.ts'

describe('an LRU map', () => {
  it('holds nothing before its first entry, and can be asked', () => {
    const map = new LruMap<string>({ maxEntries: 2 })
    expect(map.get('a')).toBeUndefined()
    map.delete('a')
    expect([map.size, map.bytes]).toEqual([0, 0])
  })

  it('gives back what was set until it is deleted', () => {
    const map = new LruMap<string>({ maxEntries: 2 })
    map.set('a', 'first')
    expect(map.get('a')).toBe('first')
    map.delete('a')
    expect(map.get('a')).toBeUndefined()
    expect(map.size).toBe(0)
  })

  it('forgets the least recently used entry when there are too many', () => {
    const map = new LruMap<string>({ maxEntries: 2 })
    map.set('a', 'first')
    map.set('b', 'second')
    map.get('a')
    map.set('c', 'third')
    expect(['a', 'b', 'c'].map(key => map.get(key))).toEqual(['first', undefined, 'third'])
  })

  it('forgets when the bytes are too many, and does not keep what is larger alone', () => {
    const sizes = { maxBytes: 10, sizeOf: (value: string, key: string) => value.length + key.length }
    const map = new LruMap<string>({ maxEntries: 100, sizes })
    map.set('a', '12345')
    expect(map.bytes).toBe(6)
    map.set('b', '12345')
    expect([map.get('a'), map.get('b')]).toEqual([undefined, '12345'])
    map.set('c', '1234567890')
    expect(map.get('c')).toBeUndefined()
  })
})
