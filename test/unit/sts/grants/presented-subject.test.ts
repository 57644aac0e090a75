import { describe, expect, it } from 'vitest'
import { refusal } from '../../../../src/model/refusal.ts'
import { unacceptableSubject } from '../../../../src/sts/grants/presented-subject.ts'

describe('a subject token that is not accepted', () => {
  it.each([
    ['token.invalid', 'invalid_request'],
    ['token.keys_unavailable', 'temporarily_unavailable'],
    ['token.introspection_unavailable', 'temporarily_unavailable'],
  ] as const)('is, for %s, %s', (code, error) => {
    expect(unacceptableSubject(refusal(code, 'why'))).toMatchObject({
      code: error,
      detail: 'subject token: why',
    })
  })
})
