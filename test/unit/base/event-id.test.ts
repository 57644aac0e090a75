import { describe, expect, it } from 'vitest'
import { createEventIds } from '../../../src/base/event-id.ts'

const uuidV7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

describe('event ids', () => {
  it('have the layout of UUID version 7 and begin with the time in milliseconds', () => {
    const id = createEventIds()(1_800_000_000.123)
    expect(id).toMatch(uuidV7)
    expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(1_800_000_000_123)
  })

  it('are unique and sort in the order made, within a millisecond and across many', () => {
    const next = createEventIds()
    const ids = Array.from({ length: 20_000 }, (_, i) => next(1_800_000_000 + Math.floor(i / 7_000) / 1000))
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.toSorted()).toEqual(ids)
    expect(ids.every(id => uuidV7.test(id))).toBe(true)
  })

  it('go on sorting when the clock is set back a little, and follow it when it is set back far', () => {
    const next = createEventIds()
    const before = next(1_800_000_000)
    expect(next(1_799_999_995) > before).toBe(true)
    expect(next(1_799_990_000) < before).toBe(true)
  })

  it('never use the same random bytes twice', () => {
    let block = 0
    const next = createEventIds(pool => {
      block++
      for (let i = 0; i < pool.length; i += 8) pool.writeBigUInt64BE(BigInt(block * pool.length + i), i)
      return pool
    })
    const tails = Array.from({ length: 5_000 }, (_, i) => next(1_800_000_000 + i / 1000).slice(19))
    expect(new Set(tails).size).toBe(tails.length)
    expect(block).toBeGreaterThan(5)
  })
})
