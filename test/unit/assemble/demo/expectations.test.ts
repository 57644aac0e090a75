import { describe, expect, it } from 'vitest'
import type { DemoHop } from '../../../../src/assemble/demo/demo-hop.ts'
import { checkCall, checkRefusals } from '../../../../src/assemble/demo/expectations.ts'

const storefront = { sub: 'storefront' }
const orders = { sub: 'orders', act: storefront }
const expected = { subject: 'alice', source: 'issued', presentedTokenId: 'login' }

const good: readonly DemoHop[] = [
  {
    service: 'storefront',
    audience: 'storefront',
    subject: 'alice',
    act: storefront,
    scope: 'shop:read orders:read billing:read',
    expiresIn: 120,
    tokenId: '1',
    source: 'issued',
  },
  {
    service: 'orders',
    audience: 'orders',
    subject: 'alice',
    act: orders,
    scope: 'billing:read orders:read',
    expiresIn: 119,
    tokenId: '2',
    source: 'issued',
  },
  {
    service: 'billing',
    audience: 'billing',
    subject: 'alice',
    act: { sub: 'billing', act: orders },
    scope: 'billing:read',
    expiresIn: 60,
    tokenId: '3',
    source: 'issued',
  },
]

function withOrders(change: Partial<DemoHop>): readonly DemoHop[] {
  return good.map(hop => (hop.service === 'orders' ? { ...hop, ...change } : hop))
}

describe('a call', () => {
  it('is as it must be', () => {
    expect(checkCall(good, expected)).toEqual([])
  })

  it.each<[string, Partial<DemoHop>, string]>([
    [
      "another service's audience",
      { audience: 'storefront' },
      "orders: the audience is 'storefront', not 'orders'",
    ],
    ['another subject', { subject: 'bob' }, "orders: the subject is 'bob', not 'alice'"],
    [
      'a lost actor',
      { act: { sub: 'orders' } },
      "orders: the chain of actors is 'orders', not 'orders storefront'",
    ],
    ['no actor', { act: undefined }, "orders: the chain of actors is '', not 'orders storefront'"],
    [
      'more scope than the route asks for',
      { scope: 'billing:read orders:read shop:read' },
      "orders: the scope is 'billing:read orders:read shop:read', not 'billing:read orders:read'",
    ],
    ['a longer life', { expiresIn: 121 }, 'orders: the token has 121 s to live'],
    ['no life', { expiresIn: 0 }, 'orders: the token has 0 s to live'],
    ['a life that is no number', { expiresIn: Number.NaN }, 'orders: the token has NaN s to live'],
    ['the login token', { tokenId: 'login' }, 'orders: was handed a token that another hop had'],
    ['the token of the hop before', { tokenId: '1' }, 'orders: was handed a token that another hop had'],
    ['another source', { source: 'memory' }, "orders: the source is 'memory', not 'issued'"],
  ])('with %s is wrong', (_, change, sentence) => {
    expect(checkCall(withOrders(change), expected)).toEqual([sentence])
  })

  it('that ends early is wrong', () => {
    expect(checkCall(good.slice(0, 2), expected)).toEqual(['billing was not reached'])
  })
})

it('names each attempt that was not refused as it must be', () => {
  const refusal = { case: 'no token', expectedStatus: 401, challenge: undefined }
  expect(checkRefusals([{ ...refusal, status: 401 }])).toEqual([])
  expect(checkRefusals([{ ...refusal, status: 200 }])).toEqual(['no token: 200, not 401'])
})
