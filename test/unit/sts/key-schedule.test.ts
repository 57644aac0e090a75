import { expect, it } from 'vitest'
import { scheduleKeys, stateOf } from '../../../src/sts/key-schedule.ts'
import { generateSigningKey, type SigningKey, type SigningKeys } from '../../../src/sts/signing-keys.ts'

const key = (signsFrom?: number, publishedUntil?: number): SigningKey => ({
  ...generateSigningKey(),
  signsFrom,
  publishedUntil,
})

const before = key(100, 900)
const after = key(500)
const keys: SigningKeys = [after, before]

it.each([
  [499.9, before, [before, after], ['next', 'current']],
  [500, after, [after, before], ['current', 'retiring']],
  [899.9, after, [after, before], ['current', 'retiring']],
  [900, after, [after], ['current', 'ended']],
])('says at %d who signs, what is published and what each key is', (now, current, published, states) => {
  expect(scheduleKeys(keys, now)).toMatchObject({ current, published })
  expect(keys.map(one => stateOf(one, keys, now))).toEqual(states)
})

it('says from when until when that holds', () => {
  const times = [50, 100, 499, 500, 899, 900].map(now => {
    const { from, until } = scheduleKeys(keys, now)
    return [from, until]
  })
  expect(times).toEqual([
    [Number.NEGATIVE_INFINITY, 100],
    [100, 500],
    [100, 500],
    [500, 900],
    [500, 900],
    [900, Number.POSITIVE_INFINITY],
  ])
})

it('lets the first in the file sign when the times do not say who', () => {
  const plain: SigningKeys = [key(), key()]
  expect(scheduleKeys(plain, 0)).toMatchObject({ current: plain[0], published: plain })
  const same: SigningKeys = [key(100), key(100)]
  expect(scheduleKeys(same, 100).current).toBe(same[0])
})

it('lets the earliest sign when a clock is behind that of whoever made the file', () => {
  expect(scheduleKeys([key(101), before], 99).current).toBe(before)
})

it('publishes the key that signs whatever a file says', () => {
  const only = key(100, 200)
  expect(scheduleKeys([only], 300)).toMatchObject({ current: only, published: [only] })
})
