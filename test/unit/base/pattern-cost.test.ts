import { expect, it } from 'vitest'
import { isCostlyPattern } from '../../../src/base/pattern-cost.ts'
import { parsePolicy } from '../../../src/config/parse-policy.ts'

const costly = [
  '(a+)+',
  '(a*)*b',
  '(?:[a-z]+-?)+',
  '(a|aa)+',
  '((a+)b?){2,}',
  '(a{1,9}){20}',
  '(?<x>a?){30}',
  '(\\)+)*',
  '([)]+)*',
]

it.each(costly)('%s can take exponential time', pattern => {
  expect(isCostlyPattern(pattern)).toBe(true)
})

it.each([
  '.+',
  'CASE-[0-9]{4,}',
  '(?:CASE|INC)-[0-9]+',
  '(?:CASE-)?[0-9]+',
  '(?:[0-9]{4}-)+',
  '(?:(?:CASE|INC)-[0-9]+)?',
  '[(a+)+]+',
  '\\(a+\\)+',
  '(?=A)[A-Z]{2,8}-\\d+',
])('%s does not', pattern => {
  expect(isCostlyPattern(pattern)).toBe(false)
})

it('is no pattern of a policy: callers choose what it is compared with', () => {
  const policy = (pattern: string) => `
clients: { orders: { kind: service } }
audiences: { orders-api: {} }
rules:
  - { id: a, who: { client: [orders] }, for: {}, into: [orders-api], require: { case_id: '${pattern}' } }
`
  for (const pattern of costly)
    expect(parsePolicy(policy(pattern), { file: 'p.yaml', env: {} }).ok).toBe(false)
  expect(parsePolicy(policy('CASE-[0-9]+'), { file: 'p.yaml', env: {} }).ok).toBe(true)
})
