import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LifeBounds, readExpiresIn, usableUntil } from '../../../../src/hop/exchange/lifetime.ts'

const now = 1_800_000_000
const bounds: LifeBounds = {
  askedAt: now,
  now,
  expiresInSeconds: 300,
  tokenExpiresAt: now + 300,
  notAfter: now + 3600,
  ttlSeconds: undefined,
  marginSeconds: 10,
}
const lifeOf = (about: Partial<LifeBounds>) => {
  const until = usableUntil({ ...bounds, ...about })
  return until === undefined ? undefined : until - now
}

describe('usableUntil', () => {
  it.each<[string, Partial<LifeBounds>, number]>([
    ['expires_in', { expiresInSeconds: 100 }, 90],
    ['exp of the token', { tokenExpiresAt: now + 100 }, 90],
    ['the subject token', { notAfter: now + 100 }, 90],
    ['the route', { ttlSeconds: 100 }, 90],
    [
      'exp of the token, when the answer has no expires_in',
      { expiresInSeconds: undefined, tokenExpiresAt: now + 200 },
      190,
    ],
  ])('ends a margin before %s does', (_what, about, seconds) => {
    expect(lifeOf(about)).toBe(seconds)
  })

  it('counts expires_in from when the token was asked for', () => {
    expect(lifeOf({ askedAt: now - 4, expiresInSeconds: 100 })).toBe(86)
  })

  it('takes half of a life that is no longer than two margins', () => {
    expect(lifeOf({ expiresInSeconds: 20 })).toBe(10)
    expect(lifeOf({ expiresInSeconds: 21 })).toBe(11)
    expect(lifeOf({ expiresInSeconds: 4 })).toBe(2)
    expect(lifeOf({ expiresInSeconds: 100, marginSeconds: 0 })).toBe(100)
  })

  it.each<[string, Partial<LifeBounds>]>([
    ['the token has ended', { tokenExpiresAt: now }],
    ['the subject token has ended', { notAfter: now - 1 }],
    ['the answer took longer than its life', { askedAt: now - 5, expiresInSeconds: 5 }],
    ['the route allows none', { ttlSeconds: 0 }],
    ['a bound is no number', { tokenExpiresAt: Number.NaN }],
  ])('leaves nothing when %s', (_what, about) => {
    expect(lifeOf(about)).toBeUndefined()
  })

  it('never goes past any bound, and always leaves something of a life that there is', () => {
    const seconds = fc.integer({ min: 1, max: 100_000 })
    fc.assert(
      fc.property(
        seconds,
        seconds,
        seconds,
        fc.option(seconds, { nil: undefined }),
        fc.nat(600),
        (a, b, c, d, margin) => {
          const life = lifeOf({
            expiresInSeconds: a,
            tokenExpiresAt: now + b,
            notAfter: now + c,
            ttlSeconds: d,
            marginSeconds: margin,
          })
          const shortest = Math.min(a, b, c, d ?? a)
          expect(life).toBeGreaterThan(0)
          expect(life).toBeLessThanOrEqual(shortest - Math.min(margin, shortest / 2) + 1e-6)
        },
      ),
    )
  })
})

describe('readExpiresIn', () => {
  it.each([
    [undefined, undefined],
    [300, 300],
    ['300', 300],
    ['0300', 300],
    [300.7, 300],
    [1, 1],
    [1e12, 366 * 86_400],
    ['999999999999', 366 * 86_400],
  ])('reads %j as %j', (value, seconds) => {
    expect(readExpiresIn(value)).toEqual({ ok: true, value: seconds })
  })

  it.each([
    0,
    -1,
    0.5,
    '0',
    '-1',
    '',
    '300s',
    '3e2',
    ' 300',
    '0x10',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    true,
    [300],
    {},
  ])('refuses %j', value => {
    expect(readExpiresIn(value).ok).toBe(false)
  })
})
