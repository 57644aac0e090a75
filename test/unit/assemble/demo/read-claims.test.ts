import { expect, it } from 'vitest'
import { readClaims } from '../../../../src/assemble/demo/read-claims.ts'

const payload = Buffer.from('{"sub":"alice"}').toString('base64url')

it('reads the claims of a bearer token', () => {
  expect(readClaims(`Bearer e30.${payload}.c2ln`)).toEqual({ sub: 'alice' })
  expect(readClaims(`bearer e30.${payload}.c2ln`)).toEqual({ sub: 'alice' })
})

it.each([
  ['nothing', undefined],
  ['another scheme', `Basic e30.${payload}.c2ln`],
  ['an opaque token', 'Bearer abc'],
  ['a payload that is no JSON', 'Bearer e30.AAAA.c2ln'],
  ['a payload that is no object', `Bearer e30.${Buffer.from('1').toString('base64url')}.c2ln`],
])('reads no claims from %s', (_, authorization) => {
  expect(readClaims(authorization)).toBeUndefined()
})
