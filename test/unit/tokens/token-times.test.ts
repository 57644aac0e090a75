import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readTokenTimes } from '../../../src/tokens/token-times.ts'

const now = 1_800_000_000
const rules = { leewaySeconds: 10, maxLifetimeSeconds: 3600 }
const noLeeway = { ...rules, leewaySeconds: 0 }

function isRefused(claims: Record<string, unknown>, by: typeof rules = rules): boolean {
  return !readTokenTimes({ iat: now - 60, exp: now + 300, ...claims }, by, now).ok
}

describe('readTokenTimes', () => {
  it('reads whole and fractional seconds', () => {
    const read = readTokenTimes({ exp: now + 0.5, nbf: now - 1.5, iat: now - 2 }, rules, now)
    expect(read).toEqual({
      ok: true,
      value: { expiresAt: now + 0.5, notBefore: now - 1.5, issuedAt: now - 2 },
    })
  })

  it.each([
    undefined,
    null,
    true,
    '1999999999',
    [now + 300],
    {},
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
  ])('refuses %j as exp, nbf or iat', value => {
    expect(isRefused({ exp: value })).toBe(true)
    expect(isRefused({ exp: value }, { ...rules, maxLifetimeSeconds: Number.POSITIVE_INFINITY })).toBe(true)
    if (value === undefined) return
    expect(isRefused({ nbf: value })).toBe(true)
    expect(isRefused({ iat: value })).toBe(true)
  })

  it('refuses at exp plus leeway, not a moment before', () => {
    expect(isRefused({ exp: now - 10 })).toBe(true)
    expect(isRefused({ exp: now - 9.999 })).toBe(false)
    expect(isRefused({ exp: now }, noLeeway)).toBe(true)
    expect(isRefused({ exp: now + 0.001 }, noLeeway)).toBe(false)
  })

  it('refuses before nbf less leeway', () => {
    expect(isRefused({ nbf: now + 10 })).toBe(false)
    expect(isRefused({ nbf: now + 10.001 })).toBe(true)
  })

  it('refuses a token that was issued in the future', () => {
    expect(isRefused({ iat: now + 10 })).toBe(false)
    expect(isRefused({ iat: now + 10.001 })).toBe(true)
    expect(isRefused({ iat: now + 3600, exp: now + 3700 })).toBe(true)
  })

  it('refuses a token that was made to live longer than allowed', () => {
    expect(isRefused({ iat: now - 60, exp: now - 60 + 3600 })).toBe(false)
    expect(isRefused({ iat: now - 60, exp: now - 60 + 3601 })).toBe(true)
    expect(isRefused({ iat: 0 })).toBe(true)
    expect(isRefused({ iat: undefined, exp: now + 315_360_000 })).toBe(true)
    expect(isRefused({ iat: undefined, exp: now + 3600 })).toBe(false)
    expect(isRefused({ iat: undefined, nbf: now - 60, exp: now + 3600 })).toBe(true)
  })

  it('refuses a token that ends before it starts', () => {
    expect(isRefused({ iat: now, exp: now - 1 })).toBe(true)
    expect(isRefused({ nbf: now, exp: now - 1 })).toBe(true)
    expect(isRefused({ nbf: now - 20, exp: now - 1 })).toBe(false)
  })

  it('never accepts at or after exp plus leeway, whatever the claims', () => {
    const instant = fc.double({ min: 0, max: 2 ** 53, noNaN: true })
    fc.assert(
      fc.property(instant, instant, instant, (exp, iat, at) => {
        const read = readTokenTimes({ exp, iat }, { leewaySeconds: 5, maxLifetimeSeconds: 2 ** 54 }, at)
        if (read.ok) expect(at).toBeLessThan(exp + 5)
      }),
    )
  })
})
