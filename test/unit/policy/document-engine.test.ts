import { describe, expect, it } from 'vitest'
import type { Decision } from '../../../src/model/decision.ts'
import type { VerifiedToken } from '../../../src/model/verified-token.ts'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import { createDocumentEngine } from '../../../src/policy/document-engine.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { anAdmittedRequest, aRoute } from '../../support/nouns.ts'
import { aTokenOf, parseTestPolicy, policyServer } from '../../support/policy.ts'

// What a sidecar asks the policy on a route for machines, and on one with dual identity.

const document = parseTestPolicy(`
clients: { orders: { kind: service } }
audiences:
  jobs-api: { scopes: [jobs:run, jobs:stop] }
  mail-api: { scopes: [jobs:run] }
  shop.test: { scopes: [jobs:run] }
rules:
  - { id: itself, mode: machine, who: { kind: [service] }, into: [jobs-api], ttl: 5m }
  - { id: context, who: { kind: [service] }, for: { subject: [alice] }, into: [shop.test], scopes: [jobs:run], ttl: 1m }
  - { id: others, who: { kind: [service] }, for: { kind: [machine] }, into: [mail-api] }
`)
const engine = createDocumentEngine({
  policy: createPolicy(document, policyServer),
  client: 'orders',
  environment: undefined,
  clock: createFakeClock(),
})
const scope = scopeSet(['jobs:run'])
const machine = aTokenOf('batch', { client_id: 'batch' })

function decide(
  route: Parameters<typeof aRoute>[0],
  token: VerifiedToken,
  transactionToken?: string,
): Decision {
  const request = anAdmittedRequest({
    route: aRoute({ audience: 'jobs-api', scope, ...route }),
    transactionToken,
  })
  const decision = engine.decide(request, token)
  if (decision instanceof Promise) throw new Error('nobody is asked elsewhere')
  return decision
}

describe('a route for machines', () => {
  it('is asked about for the sidecar itself, whoever calls', () => {
    const route = { mode: 'machine' } as const
    expect(decide(route, machine)).toMatchObject({ effect: 'permit', rule: 'itself', mode: 'machine' })
    expect(decide(route, machine)).toBe(decide(route, aTokenOf('other', { client_id: 'other' })))
  })

  it('is not permitted by a rule for the delegation of machines', () => {
    expect(decide({ mode: 'machine', audience: 'mail-api' }, machine)).toMatchObject({ effect: 'deny' })
    expect(decide({ audience: 'mail-api' }, machine)).toMatchObject({ effect: 'permit', rule: 'others' })
  })
})

describe('a route with dual identity', () => {
  const dual = { mode: 'machine', trustDomain: 'shop.test' } as const

  it('takes a rule for the sidecar itself and one for the context of the caller, and is as narrow as both', () => {
    const decision = decide(dual, aTokenOf('alice'))
    expect(decision).toMatchObject({ effect: 'permit', rule: 'itself', mode: 'machine', ttlSeconds: 60 })
    expect(decision).toMatchObject({ scope: ['jobs:run'] })
    expect(decide(dual, aTokenOf('alice'))).toBe(decision)
  })

  it('is denied when either is', () => {
    expect(decide(dual, aTokenOf('bob'))).toMatchObject({ effect: 'deny', rule: 'context' })
    expect(decide({ ...dual, audience: 'mail-api' }, aTokenOf('alice'))).toMatchObject({ effect: 'deny' })
  })

  it('asks for no context where one came along', () => {
    expect(decide(dual, machine, 'a.b.c')).toMatchObject({ effect: 'permit', rule: 'itself' })
    expect(decide(dual, machine)).toMatchObject({ effect: 'deny', rule: 'context' })
  })
})
