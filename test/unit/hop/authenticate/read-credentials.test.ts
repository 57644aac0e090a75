import { describe, expect, it } from 'vitest'
import { readBearerToken } from '../../../../src/hop/authenticate/read-credentials.ts'

function read(authorization: string | undefined): string {
  const result = readBearerToken(authorization)
  return result.ok ? result.value : result.error.code
}

describe('readBearerToken', () => {
  it.each(['Bearer', 'bearer', 'BEARER'])('takes the token of scheme %s', scheme => {
    expect(read(`${scheme} a.b-c_d`)).toBe('a.b-c_d')
    expect(read(`${scheme} a+/~==`)).toBe('a+/~==')
  })

  it.each([undefined, '', 'Basic YTpi', 'Token abc', 'Bearerabc', 'DPoP abc'])(
    'finds no bearer token in %j',
    value => {
      expect(read(value)).toBe('token.missing')
    },
  )

  it.each([
    'Bearer',
    'Bearer ',
    'Bearer  tok',
    'Bearer\ttok',
    'Bearer tok ',
    'Bearer a b',
    'Bearer a, Bearer b',
    'Bearer "tok"',
    'Bearer a=b',
    'Bearer,',
  ])('refuses %j instead of guessing', value => {
    expect(read(value)).toBe('token.malformed')
  })
})
