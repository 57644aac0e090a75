import { describe, expect, it } from 'vitest'
import { isNamedByMayAct } from '../../../src/policy/may-act.ts'

const person = { id: 'agent-7', issuer: 'https://login.test', clientId: 'desk' }

describe('isNamedByMayAct', () => {
  it.each([
    [undefined],
    [{ sub: 'agent-7' }],
    [{ sub: 'agent-7', iss: 'https://login.test' }],
    [{ sub: 'agent-7', client_id: 'desk' }],
    [{ client_id: 'desk' }],
  ])('is named by %j', claim => {
    expect(isNamedByMayAct(claim, person)).toBe(true)
  })

  it.each([
    [{ sub: 'agent-8' }],
    [{ sub: 'agent-7', iss: 'https://other.test' }],
    [{ sub: 'agent-7', client_id: 'agent-7' }],
    [{ sub: 'agent-7', role: 'support' }],
    [{ iss: 'https://login.test' }],
    [{}],
    ['agent-7'],
    [['agent-7']],
    [null],
  ])('is not named by %j', claim => {
    expect(isNamedByMayAct(claim, person)).toBe(false)
  })
})
