import { describe, expect, it } from 'vitest'
import { readParty, readTokenActor } from '../../../src/policy/party.ts'
import { aTokenOf, examplePolicy, policyServer } from '../../support/policy.ts'

const document = examplePolicy()
const names = document.claims

/** A token of an issuer with this `act`. */
const tokenWith = (iss: string, act: { readonly sub: string; readonly iss?: string }) => ({
  ...aTokenOf('alice', { iss, act }),
  actor: { subject: act.sub, ...(act.iss !== undefined && { issuer: act.iss }) },
})

describe('readParty', () => {
  it('believes the token service, and nobody else, whose subject it is', () => {
    const sub_id = { format: 'iss_sub', iss: 'https://login.test', sub: 'alice' }
    expect(readParty(aTokenOf('alice', { iss: policyServer, sub_id }), names, policyServer).issuer).toBe(
      'https://login.test',
    )
    const claimed = aTokenOf('alice', { iss: 'https://partner.test', sub_id })
    expect(readParty(claimed, names, policyServer).issuer).toBe('https://partner.test')
  })

  it('takes a tenant or roles of another type for none', () => {
    for (const claims of [
      { tenant: ['blue'], roles: 'support' },
      { tenant: '', roles: ['support', 1] },
    ]) {
      expect(readParty(aTokenOf('alice', claims), names, policyServer)).toMatchObject({
        tenant: undefined,
        roles: [],
      })
    }
  })
})

describe('readTokenActor', () => {
  it('knows a client that the token service named', () => {
    const token = tokenWith(policyServer, { sub: 'orders', iss: policyServer })
    expect(readTokenActor(token, document, policyServer)).toMatchObject({ subject: 'orders', kind: 'client' })
  })

  it('knows a person whom the token service named, by who vouched for them', () => {
    const token = tokenWith(policyServer, { sub: 'agent-7', iss: 'https://login.test' })
    expect(readTokenActor(token, document, policyServer)).toMatchObject({
      issuer: 'https://login.test',
      kind: 'other',
    })
  })

  it('does not let another issuer speak for the token service, nor for a third one', () => {
    for (const iss of [policyServer, 'https://login.test']) {
      const token = tokenWith('https://partner.test', { sub: 'orders', iss })
      expect(readTokenActor(token, document, policyServer)).toMatchObject({
        issuer: 'https://partner.test',
        kind: 'other',
      })
    }
  })
})
