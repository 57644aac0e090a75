import { describe, expect, it } from 'vitest'
import { readAcrValues, readMaxAge, satisfiesStepUp } from '../../../src/oauth/step-up.ts'

const now = 1_000_000

describe('satisfiesStepUp', () => {
  const cases: readonly [string, Parameters<typeof satisfiesStepUp>[0], object, boolean][] = [
    ['one of several contexts', { acrValues: ['hwk', 'mfa'] }, { authenticationContext: 'mfa' }, true],
    ['another context', { acrValues: ['mfa'] }, { authenticationContext: 'pwd' }, false],
    ['a context that only begins so', { acrValues: ['mfa'] }, { authenticationContext: 'mfa2' }, false],
    ['a context in another case', { acrValues: ['mfa'] }, { authenticationContext: 'MFA' }, false],
    ['no context', { acrValues: ['mfa'] }, {}, false],
    ['the greatest age', { maxAgeSeconds: 300 }, { authenticatedAt: now - 300 }, true],
    ['a greater age', { maxAgeSeconds: 300 }, { authenticatedAt: now - 301 }, false],
    ['no time', { maxAgeSeconds: 300 }, {}, false],
    ['a time that is to come', { maxAgeSeconds: 300 }, { authenticatedAt: now + 1 }, false],
    [
      'a time that is to come, later than the token',
      { maxAgeSeconds: 300 },
      { authenticatedAt: now + 2, issuedAt: now + 1 },
      false,
    ],
    [
      'a time as young as the token, whose issuer has a fast clock',
      { maxAgeSeconds: 300 },
      { authenticatedAt: now + 1, issuedAt: now + 1 },
      true,
    ],
    [
      'the right context, too long ago',
      { acrValues: ['mfa'], maxAgeSeconds: 300 },
      { authenticationContext: 'mfa', authenticatedAt: now - 301 },
      false,
    ],
    [
      'the wrong context, lately',
      { acrValues: ['mfa'], maxAgeSeconds: 300 },
      { authenticationContext: 'pwd', authenticatedAt: now },
      false,
    ],
    ['claims, which only the server knows', { claims: { access_token: {} } }, {}, false],
  ]
  it.each(cases)('%s', (_, required, authentication, expected) => {
    expect(satisfiesStepUp(required, authentication, now)).toBe(expected)
  })
})

describe('readAcrValues', () => {
  it('reads values with single spaces between them', () => {
    expect(readAcrValues('urn:x:loa:3 mfa')).toEqual(['urn:x:loa:3', 'mfa'])
  })

  it.each(['', ' ', 'a  b', 'a\r\nb', 'a"b', 'a\\b', 'é', 'x'.repeat(129), 'a '.repeat(17).trim(), 3, ['a']])(
    'refuses %j',
    value => {
      expect(readAcrValues(value)).toBeUndefined()
    },
  )
})

describe('readMaxAge', () => {
  it.each([
    [300, 300],
    ['300', 300],
    [0, 0],
  ])('reads %j', (value, expected) => {
    expect(readMaxAge(value)).toBe(expected)
  })

  it.each(['', '-1', '1.5', '1e3', ' 1', -1, 1.5, Number.NaN, 1e12, null, true, [300]])(
    'refuses %j',
    value => {
      expect(readMaxAge(value)).toBeUndefined()
    },
  )
})
