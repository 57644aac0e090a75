import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formText } from '../../../src/base/form-text.ts'

describe('formText', () => {
  it('is what URLSearchParams writes, whatever is in the form', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }))), pairs => {
        const form = new URLSearchParams(pairs)
        expect(formText(form)).toBe(form.toString())
      }),
    )
  })

  it.each(['', ' ', '+', '%', '&=', "!'()~*-._", 'a b', '\0\n', 'é', '\u{1f511}', '\ud800', 'a.b-c_d'])(
    'is what URLSearchParams writes of %j',
    text => {
      const form = new URLSearchParams([[text, text]])
      expect(formText(form)).toBe(form.toString())
    },
  )
})
