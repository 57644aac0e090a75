import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'

describe('Secret', () => {
  const secret = new Secret('canary-4711')

  it('prints as [secret] wherever it is printed', () => {
    const printed = [`${secret}`, JSON.stringify({ secret }), inspect(secret), inspect({ secret })]
    for (const text of printed) {
      expect(text).toContain('[secret]')
      expect(text).not.toContain('canary')
    }
  })

  it.each([
    ['canary-4711', true],
    ['Bearer canary-4711; x', true],
    ['canary-471', false],
    ['Canary-4711', false],
    ['', false],
  ])('knows whether it is in %j', (text, expected) => {
    expect(secret.isIn(text)).toBe(expected)
  })
})
