import { describe, expect, it } from 'vitest'
import { RestartDelay } from '../../../../src/assemble/workers/restart-delay.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'

describe('the delay before a worker is replaced', () => {
  it('is none after a life of some length', () => {
    const clock = createFakeClock()
    const delay = new RestartDelay(clock)
    delay.begin()
    clock.advanceMs(10_000)
    expect(delay.end()).toBe(0)
    expect(delay.shortLives).toBe(0)
  })

  it('doubles with each short life, up to half a minute', () => {
    const clock = createFakeClock()
    const delay = new RestartDelay(clock)
    const waits = Array.from({ length: 12 }, () => {
      delay.begin()
      clock.advanceMs(9_999)
      return delay.end()
    })
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000])
    expect(delay.shortLives).toBe(12)
  })

  it('begins anew when one has lived long enough', () => {
    const clock = createFakeClock()
    const delay = new RestartDelay(clock)
    for (let life = 0; life < 5; life++) {
      delay.begin()
      delay.end()
    }
    delay.begin()
    clock.advanceMs(60_000)
    expect(delay.end()).toBe(0)
    delay.begin()
    expect(delay.end()).toBe(100)
  })

  it('lets a worker that cannot live start at most a few dozen times in ten minutes', () => {
    const clock = createFakeClock()
    const delay = new RestartDelay(clock)
    let starts = 0
    while (clock.monotonicMs() < 600_000) {
      delay.begin()
      starts++
      clock.advanceMs(delay.end())
    }
    expect(starts).toBeLessThan(35)
  })
})
