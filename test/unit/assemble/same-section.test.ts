import { describe, expect, it } from 'vitest'
import { isSameSection } from '../../../src/assemble/same-section.ts'
import { Secret } from '../../../src/base/secret.ts'

const section = () => ({
  name: 'orders',
  url: new URL('https://a.test/x'),
  secret: new Secret('one'),
  list: [1, undefined, { deep: true }],
  audiences: new Map([['orders-api', { scope: ['a'] }]]),
  absent: undefined,
})

describe('two sections of configurations', () => {
  it('are the same when they say the same', () => {
    expect(isSameSection(section(), section())).toBe(true)
  })

  it.each([
    ['a text', { name: 'billing' }],
    ['a URL', { url: new URL('https://a.test/y') }],
    ['a secret', { secret: new Secret('two') }],
    ['an item of a list', { list: [1, undefined, { deep: false }] }],
    ['the length of a list', { list: [1, undefined, { deep: true }, 2] }],
    ['a value of a map', { audiences: new Map([['orders-api', { scope: ['b'] }]]) }],
    ['a key of a map', { audiences: new Map([['other-api', { scope: ['a'] }]]) }],
    ['a further member', { more: undefined }],
    ['a kind', { list: { 0: 1 } }],
    ['null', { list: null }],
  ])('differ by %s', (_what, change) => {
    expect(isSameSection(section(), { ...section(), ...change })).toBe(false)
    expect(isSameSection({ ...section(), ...change }, section())).toBe(false)
  })

  it('differ by the name of a member', () => {
    expect(isSameSection({ a: undefined }, { b: undefined })).toBe(false)
  })

  it('differ when they hold what cannot be compared', () => {
    class Opaque {
      readonly #value = 1
      get value(): number {
        return this.#value
      }
    }
    expect(isSameSection(new Opaque(), new Opaque())).toBe(false)
  })
})
