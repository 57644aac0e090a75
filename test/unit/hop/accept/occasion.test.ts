import { describe, expect, it } from 'vitest'
import { readOccasion } from '../../../../src/hop/accept/occasion.ts'

const declared = { caseId: 'x-case-id', actorToken: 'x-support-token' }

describe('readOccasion', () => {
  it('takes the token of the actor out of what is forwarded, in every spelling, and leaves the one case in', () => {
    const fields = [
      'Accept',
      '*/*',
      'X-Support-Token',
      't',
      'X_Support_Token',
      'u',
      'X-Case-Id',
      'CASE-1',
      'X_Case_Id',
      'CASE-2',
      'A',
      'b',
    ]
    expect(readOccasion(fields, declared)).toEqual({ ok: true, value: { actorToken: 't', caseId: 'CASE-1' } })
    expect(fields).toEqual(['Accept', '*/*', 'A', 'b', 'x-case-id', 'CASE-1'])
  })

  it('reads nothing that is not declared', () => {
    const fields = ['X-Support-Token', 't', 'X-Case-Id', 'CASE-1']
    const nothing = { ok: true, value: { actorToken: undefined, caseId: undefined } }
    expect(readOccasion(fields, { caseId: undefined, actorToken: undefined })).toEqual(nothing)
    expect(fields).toHaveLength(4)
  })

  it('does not take a look-alike for the actor', () => {
    expect(readOccasion(['X_Support_Token', 't'], declared)).toMatchObject({
      value: { actorToken: undefined },
    })
  })

  it.each([
    ['two tokens', ['X-Support-Token', 't', 'x-support-token', 'u'], 'token.ambiguous'],
    ['two cases', ['X-Case-Id', 'CASE-1', 'x-case-id', 'CASE-2'], 'request.malformed'],
    ['the same case twice', ['X-Case-Id', 'CASE-1', 'x-case-id', 'CASE-1'], 'request.malformed'],
    ['a case of two words', ['X-Case-Id', 'CASE-1, CASE-2'], 'request.malformed'],
    ['a case that is too long', ['X-Case-Id', 'C'.repeat(65)], 'request.malformed'],
    ['an empty case', ['X-Case-Id', ''], 'request.malformed'],
    ['a token for a case', ['X-Case-Id', `eyJhbGciOiJFUzI1NiJ9.e30.${'A'.repeat(86)}`], 'request.malformed'],
  ])('refuses %s', (_, fields, code) => {
    expect(readOccasion(fields, declared)).toMatchObject({ ok: false, error: { code } })
  })
})
