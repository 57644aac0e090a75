import { expect, it } from 'vitest'
import { readHost } from '../../../../src/hop/accept/authority.ts'

it.each([
  ['orders.test', 'orders.test'],
  ['ORDERS.Test.', 'orders.test'],
  ['orders.test:8080', 'orders.test'],
  ['127.0.0.1:81', '127.0.0.1'],
  ['[::1]:81', '[::1]'],
  ['a', 'a'],
])('reads %s as the host %s', (authority, host) => {
  expect(readHost(authority)).toBe(host)
})

it.each([
  '',
  'a, b',
  'evil@a',
  'a/../b',
  'a;for=1',
  'a:0',
  'a:65536',
  'a:',
  ':80',
  '-a',
  'a..b',
  'a b',
  '[::1',
  'ä',
  'x'.repeat(300),
])('reads no host in %j', authority => {
  expect(readHost(authority)).toBeUndefined()
})
