import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { createTicketSeal, maxTicketBytes } from '../../../src/sts/ticket-seal.ts'

const issuer = 'https://hub.test'
const seal = createTicketSeal(new Secret('k'.repeat(32)), issuer)

it('opens what it sealed, and no two tickets are alike', () => {
  const claims = { sub: 'älice', exp: 1_000, act: { sub: 'orders' } }
  const [one, other] = [seal.seal(claims), seal.seal(claims)]
  expect(one).not.toBe(other)
  expect(seal.open(one)).toEqual(claims)
  expect(createTicketSeal(new Secret('k'.repeat(32)), issuer).open(other)).toEqual(claims)
})

it('shows nothing of what it holds', () => {
  const ticket = seal.seal({ sub: 'alice' })
  expect(Buffer.from(ticket.slice(5), 'base64url').toString('latin1')).not.toContain('alice')
})

it.each([
  ['another key', createTicketSeal(new Secret('l'.repeat(32)), issuer)],
  ['another token service', createTicketSeal(new Secret('k'.repeat(32)), 'https://other.test')],
])('does not open what was sealed with %s', (_, other) => {
  expect(seal.open(other.seal({ sub: 'alice' }))).toBeUndefined()
})

it('opens nothing else, and never throws', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String().map(text => `hgt1.${text}`),
      ),
      text => {
        expect(seal.open(text)).toBeUndefined()
      },
    ),
  )
})

it('opens one spelling of a ticket only', () => {
  const ticket = seal.seal({ sub: 'alice' })
  expect(seal.open(`${ticket}=`)).toBeUndefined()
  expect(seal.open(`${ticket} `)).toBeUndefined()
  expect(seal.open(ticket.replace('hgt1.', 'hgt2.'))).toBeUndefined()
})

it('looks at no ticket that is too long', () => {
  expect(seal.open(seal.seal({ sub: 'x'.repeat(maxTicketBytes) }))).toBeUndefined()
})

it('is not made with a short key, which is not quoted', () => {
  expect(() => createTicketSeal(new Secret('canary'.repeat(5)), issuer)).toThrow(/shorter than 32 characters/)
})
