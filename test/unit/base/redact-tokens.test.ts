import { describe, expect, it } from 'vitest'
import { redactTokens } from '../../../src/base/redact-tokens.ts'

const token = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk'

describe('redactTokens', () => {
  it.each([
    ['as it is', token],
    ['with its dots encoded', token.replaceAll('.', '%2E')],
    ['with its dots encoded in lower case', token.replaceAll('.', '%2e')],
    ['without signature', token.replace(/[^.]*$/, '')],
    ['of five parts', `${token}.abc.def`],
  ])('takes a token out, %s', (_, text) => {
    expect(redactTokens(`{"a":"x ${text}/y","b":"${text}"}`)).toBe('{"a":"x [redacted]/y","b":"[redacted]"}')
  })

  it.each(['eyJ.x', 'keyJoin.a', 'eyJhbGciOiJFUzI1NiJ9 without more', 'Journey', ''])(
    'leaves %j alone',
    text => {
      expect(redactTokens(text)).toBe(text)
    },
  )
})
