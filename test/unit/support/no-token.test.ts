import { describe, expect, it } from 'vitest'
import { expectNoToken } from '../../support/no-token.ts'

const signature = 'dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const token = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.${signature}`
const opaque = 'opaque-access-token-0123456789'

describe('expectNoToken', () => {
  it.each<[string, string, string]>([
    ['a whole token', token, `{"token":"${token}"}`],
    ['a signature alone', token, signature],
    ['the beginning of a signature', token, `…${signature.slice(0, 16)}…`],
    ['a signature in base64', token, Buffer.from(signature).toString('base64')],
    ['a signature in base64url', token, Buffer.from(signature).toString('base64url')],
    ['a signature in hex', token, Buffer.from(signature).toString('hex')],
    ["a signature's bytes in hex", token, Buffer.from(signature, 'base64url').toString('hex')],
    ['an opaque token', opaque, `Bearer ${opaque}`],
    [
      'a percent-encoded token',
      opaque,
      [...opaque].map(letter => `%${letter.charCodeAt(0).toString(16)}`).join(''),
    ],
  ])('finds %s', (_, secret, output) => {
    expect(() => expectNoToken(`before ${output} after`, [secret])).toThrow()
  })

  it('finds nothing in the header and payload, which are no secret, nor in other text', () => {
    expectNoToken(`${token.slice(0, token.lastIndexOf('.'))} fingerprint ${'x'.repeat(1_000)}`, [
      token,
      opaque,
    ])
  })

  it('does not look for what is too short to be a token', () => {
    expect(() => expectNoToken('', ['short'])).toThrow('too short')
  })
})
