import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64Url, isCanonicalBase64Url } from '../../../src/tokens/base64url.ts'

describe('isCanonicalBase64Url', () => {
  it('accepts the one spelling that an encoder makes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), bytes => {
        const text = Buffer.from(bytes).toString('base64url')
        expect(isCanonicalBase64Url(text)).toBe(true)
        expect(decodeBase64Url(text)?.equals(bytes)).toBe(true)
      }),
    )
  })

  it('accepts exactly the texts that decoding and encoding again gives back', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,9}$/), text => {
        const again = Buffer.from(text, 'base64url').toString('base64url')
        expect(isCanonicalBase64Url(text)).toBe(again === text)
      }),
      { numRuns: 2000 },
    )
  })

  it.each(['', 'AQ==', 'AQ=', 'AB', 'AQI\n', ' AQI', 'A+I_', 'A/I_', 'A', 'AAAAA', 'AQ\u0000', 'ÀQ'])(
    'refuses %j',
    text => {
      expect(isCanonicalBase64Url(text)).toBe(false)
      expect(decodeBase64Url(text)).toBeUndefined()
    },
  )
})
