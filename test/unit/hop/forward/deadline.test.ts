import { describe, expect, it } from 'vitest'
import { deadlineOf } from '../../../../src/hop/forward/deadline.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'
import { anAdmittedRequest, aRoute } from '../../../support/nouns.ts'

describe('the deadline of a request', () => {
  const deadlineAfter = (sinceMs: number, routeMs?: number, grpcTimeoutMs?: number) => {
    const clock = createFakeClock()
    const arrivedMs = clock.monotonicMs()
    clock.advanceMs(sinceMs)
    const route = aRoute(routeMs === undefined ? {} : { timeoutMs: routeMs })
    return deadlineOf(anAdmittedRequest({ route, grpcTimeoutMs }), arrivedMs, clock)
  }

  it('is none when nobody has set one', () => {
    expect(deadlineAfter(10)).toBeUndefined()
  })

  it('is counted from the arrival', () => {
    expect(deadlineAfter(30, 100)).toMatchObject({
      leftMs: 70,
      reason: { code: 'upstream.timeout', detail: "the route's timeout has passed" },
    })
    expect(deadlineAfter(130, 100)?.leftMs).toBe(-30)
  })

  it('is the earlier one of the route and of the caller', () => {
    const callers = { code: 'upstream.timeout', detail: "the caller's grpc-timeout has passed" }
    expect(deadlineAfter(0, 100, 50)).toEqual({ leftMs: 50, reason: callers })
    expect(deadlineAfter(0, undefined, 50)).toEqual({ leftMs: 50, reason: callers })
    expect(deadlineAfter(0, 50, 100)?.reason.detail).toBe("the route's timeout has passed")
  })

  it('is none where it is longer than a timer runs', () => {
    expect(deadlineAfter(0, undefined, 99_999_999 * 3_600_000)).toBeUndefined()
    expect(deadlineAfter(0, 1_000, 99_999_999 * 3_600_000)?.leftMs).toBe(1_000)
  })
})
