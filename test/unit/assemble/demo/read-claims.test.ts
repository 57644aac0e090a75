import { expect, it } from 'vitest'
import { readClaims } from '../../../../src/assemble/demo/read-claims.ts'
import { Secret } from '../../../../src/base/secret.ts'

const encode = (text: string) => Buffer.from(text).toString('base64url')

it('reads the claims of a JWT', () => {
  expect(readClaims(new Secret(`e30.${encode('{"sub":"alice"}')}.c2ln`))).toEqual({ sub: 'alice' })
})

it.each([
  ['an opaque token', 'abc'],
  ['a payload that is no JSON', 'e30.AAAA.c2ln'],
  ['a payload that is no object', `e30.${encode('1')}.c2ln`],
])('reads no claims from %s', (_, token) => {
  expect(readClaims(new Secret(token))).toBeUndefined()
})

it('reads no claims where there is no token', () => {
  expect(readClaims(undefined)).toBeUndefined()
})
