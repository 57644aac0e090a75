import { expect, it } from 'vitest'
import { createFailureThrottle } from '../../../src/sts/failure-throttle.ts'

const limits = { maxFailures: 3, windowSeconds: 60, maxKeys: 2 }

function failing(times: number, key = 'a', now = 1_000) {
  const throttle = createFailureThrottle(limits)
  for (let i = 0; i < times; i++) throttle.fail(key, now)
  return throttle
}

it('hears a key until it has failed the last allowed time', () => {
  expect(failing(2).retryAfterSeconds('a', 1_000)).toBeUndefined()
  expect(failing(3).retryAfterSeconds('a', 1_000)).toBe(60)
})

it('hears it again when the window is over, not before', () => {
  const throttle = failing(3)
  expect(throttle.retryAfterSeconds('a', 1_059.5)).toBe(1)
  expect(throttle.retryAfterSeconds('a', 1_060)).toBeUndefined()
  throttle.fail('a', 1_060)
  expect(throttle.retryAfterSeconds('a', 1_060)).toBeUndefined()
})

it('counts each key apart', () => {
  expect(failing(3).retryAfterSeconds('b', 1_000)).toBeUndefined()
})

it('remembers a bounded number of keys', () => {
  const throttle = failing(3)
  throttle.fail('b', 1_000)
  throttle.fail('c', 1_000)
  expect(throttle.retryAfterSeconds('a', 1_000)).toBeUndefined()
})

it('shuts nobody out for longer than a window when the clock was set back', () => {
  expect(failing(3).retryAfterSeconds('a', 100)).toBeUndefined()
})
