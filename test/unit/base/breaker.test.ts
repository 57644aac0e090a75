import { describe, expect, it } from 'vitest'
import { Breaker, type BreakerOptions } from '../../../src/base/breaker.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

function start(announce: BreakerOptions['announce'] = () => {}) {
  const clock = createFakeClock()
  const breaker = new Breaker({ failures: 3, openMs: 5000, clock, announce })
  /** One call: `undefined` when it was admitted, else the seconds to wait. */
  const call = (outcome: 'answered' | 'failed', retryAfterSeconds?: number) => {
    const pass = breaker.admit()
    if (!pass.ok) return pass.error
    pass.value.settle(outcome, retryAfterSeconds)
    return undefined
  }
  return { clock, breaker, call }
}

describe('Breaker', () => {
  it('opens after failures in a row, and an answer in between starts the count again', () => {
    const { call } = start()
    for (const outcome of ['failed', 'failed', 'answered', 'failed', 'failed'] as const) {
      expect(call(outcome)).toBeUndefined()
    }
    expect(call('failed')).toBeUndefined()
    expect(call('answered')).toBe(5)
  })

  it('says how long is left to wait, and never less than a second', () => {
    const { call, clock } = start()
    for (let index = 0; index < 3; index++) call('failed')
    clock.advanceMs(3500)
    expect(call('answered')).toBe(2)
    clock.advanceMs(1499)
    expect(call('answered')).toBe(1)
  })

  it('lets one call through after the pause, and the rest when that one got an answer', () => {
    const { breaker, call, clock } = start()
    for (let index = 0; index < 3; index++) call('failed')
    clock.advanceMs(5000)
    const probe = breaker.admit()
    expect(probe.ok).toBe(true)
    expect(call('answered')).toBe(1)
    if (probe.ok) probe.value.settle('answered')
    expect(call('answered')).toBeUndefined()
  })

  it('closes for another pause when the one call fails', () => {
    const { call, clock } = start()
    for (let index = 0; index < 3; index++) call('failed')
    clock.advanceMs(5000)
    expect(call('failed')).toBeUndefined()
    expect(call('answered')).toBe(5)
  })

  it('waits as long as the server asked, when that is longer', () => {
    const { call } = start()
    call('failed')
    call('failed')
    call('failed', 30)
    expect(call('answered')).toBe(30)
  })

  it('does not let an old call close it', () => {
    const { breaker, call } = start()
    const old = breaker.admit()
    for (let index = 0; index < 3; index++) call('failed')
    if (old.ok) old.value.settle('answered')
    expect(call('answered')).toBe(5)
  })

  it('counts each call once', () => {
    const { breaker, call } = start()
    const pass = breaker.admit()
    if (pass.ok) for (let index = 0; index < 5; index++) pass.value.settle('failed')
    expect(call('answered')).toBeUndefined()
  })

  it('announces each change once', () => {
    const states: unknown[] = []
    const { call, clock } = start(state => states.push(state))
    for (let index = 0; index < 5; index++) call('failed')
    clock.advanceMs(5000)
    call('failed')
    clock.advanceMs(5000)
    call('answered')
    call('answered')
    expect(states).toEqual(['open', 'half-open', 'open', 'half-open', 'closed'])
  })
})
