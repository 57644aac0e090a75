import { describe, expect, it } from 'vitest'
import { SessionHealth } from '../../../../../src/hop/forward/http2/session-health.ts'

const timeouts = { pingAfterMs: 10_000, pingTimeoutMs: 15_000 }

describe('the health of a connection', () => {
  it('is asked for after a silence, once', () => {
    const health = new SessionHealth(timeouts, 0)
    expect(health.check(9_999)).toBe('well')
    expect(health.check(10_000)).toBe('ping')
    expect(health.check(10_500)).toBe('well')
  })

  it('is over when there is no answer in time', () => {
    const health = new SessionHealth(timeouts, 0)
    expect(health.check(10_000)).toBe('ping')
    expect(health.check(24_999)).toBe('well')
    expect(health.check(25_000)).toBe('dead')
  })

  it('is good again with an answer, and asked for rarely in the same silence: gRPC servers count', () => {
    const health = new SessionHealth(timeouts, 0)
    expect(health.check(10_000)).toBe('ping')
    health.answered(10_100)
    expect(health.check(60_000)).toBe('well')
    expect(health.check(310_000)).toBe('well')
    expect(health.check(311_100)).toBe('ping')
    expect(health.check(326_100)).toBe('dead')
  })

  it('is asked for anew in the next silence', () => {
    const health = new SessionHealth(timeouts, 0)
    expect(health.check(10_000)).toBe('ping')
    health.answered(10_100)
    health.heard(20_000)
    expect(health.check(29_999)).toBe('well')
    expect(health.check(30_000)).toBe('ping')
  })

  it('is good when anything else is heard instead of an answer', () => {
    const health = new SessionHealth(timeouts, 0)
    expect(health.check(10_000)).toBe('ping')
    health.heard(20_000)
    expect(health.check(25_000)).toBe('well')
  })
})
