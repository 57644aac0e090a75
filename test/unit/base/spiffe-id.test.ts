import { describe, expect, it } from 'vitest'
import { isSpiffeId } from '../../../src/base/spiffe-id.ts'

describe('isSpiffeId', () => {
  it.each([
    'spiffe://example.org/orders',
    'spiffe://example.org/ns/shop/sa/orders',
    'spiffe://a_b-c.1/X.y_z-0',
    'spiffe://a/...',
    `spiffe://a/${'b'.repeat(2048 - 11)}`,
  ])('takes %.60s', text => {
    expect(isSpiffeId(text)).toBe(true)
  })

  it.each([
    '',
    'orders',
    'https://example.org/orders',
    'SPIFFE://example.org/orders',
    'spiffe:/example.org/orders',
    'spiffe://Example.org/orders',
    'spiffe://example.org',
    'spiffe://example.org/',
    'spiffe:///orders',
    'spiffe://example.org/orders/',
    'spiffe://example.org//orders',
    'spiffe://example.org/./orders',
    'spiffe://example.org/../orders',
    'spiffe://example.org/orders/..',
    'spiffe://example.org:443/orders',
    'spiffe://user@example.org/orders',
    'spiffe://example.org/orders?x',
    'spiffe://example.org/orders#x',
    'spiffe://example.org/%6frders',
    'spiffe://example.org/ord ers',
    'spiffe://example.org/*',
    'spiffe://exämple.org/orders',
    'spiffe://example.org/orders\n',
    'spiffe://example.org/orders\0',
    `spiffe://a/${'b'.repeat(2048 - 10)}`,
  ])('refuses %.60j', text => {
    expect(isSpiffeId(text)).toBe(false)
  })
})
