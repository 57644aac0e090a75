import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exchangeModes } from '../../../src/oauth/exchange-mode.ts'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import { policyMatrix } from '../../../src/policy/matrix.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import {
  audienceIds,
  clientIds,
  everyOccasion,
  policies,
  scopeTokens,
} from '../../support/generated-policies.ts'
import { examplePolicy, parseTestPolicy, policyServer } from '../../support/policy.ts'

describe('the matrix', () => {
  it('lists exactly what some occasion permits', () => {
    fc.assert(
      fc.property(policies, document => {
        const policy = createPolicy(document, policyServer)
        const listed = new Set<string>()
        for (const { rule, client, audience, scope } of policyMatrix(document)) {
          for (const token of ['', ...scope]) listed.add([rule.mode, client.id, audience.id, token].join(' '))
        }
        const permitted = new Set<string>()
        for (const mode of exchangeModes) {
          for (const client of clientIds) {
            for (const audience of audienceIds) {
              for (const token of ['', ...scopeTokens]) {
                const scope = scopeSet(token === '' ? [] : [token])
                for (const question of everyOccasion({ mode, client, audience, scope })) {
                  if (policy.decide(question).effect !== 'permit') continue
                  permitted.add([mode, client, audience, token].join(' '))
                  break
                }
              }
            }
          }
        }
        expect([...listed].sort()).toEqual([...permitted].sort())
      }),
      { numRuns: 60 },
    )
  })

  it('keeps the order of the rules, and is otherwise the same however the document is written', () => {
    const rows = policyMatrix(examplePolicy())
    const rules = examplePolicy().rules.map(({ id }) => id)
    const positions = rows.map(({ rule }) => rules.indexOf(rule.id))
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    const write = (first: string, second: string) => `
clients: { ${first}: { kind: service }, ${second}: { kind: service } }
audiences: { ${first}-api: {}, ${second}-api: {} }
rules: [{ id: all, who: { kind: [service] }, for: {}, into: [${first}-api, ${second}-api] }]`
    const names = (text: string) =>
      policyMatrix(parseTestPolicy(text)).map(({ client, audience }) => `${client.id} ${audience.id}`)
    expect(names(write('b', 'a'))).toEqual(['a a-api', 'a b-api', 'b a-api', 'b b-api'])
    expect(names(write('a', 'b'))).toEqual(names(write('b', 'a')))
  })

  it('says the life that an impersonation has by itself', () => {
    const rows = policyMatrix(examplePolicy())
    expect(rows.find(({ rule }) => rule.id === 'view-as-user')?.ttlSeconds).toBe(60)
    expect(rows.find(({ rule }) => rule.id === 'own-audience')?.ttlSeconds).toBeUndefined()
  })
})
