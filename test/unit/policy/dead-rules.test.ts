import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { emptyScope } from '../../../src/oauth/scope-set.ts'
import { findDeadRules, findPlacelessRules } from '../../../src/policy/dead-rules.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import { audienceIds, clientIds, everyOccasion, policies } from '../../support/generated-policies.ts'
import { parseTestPolicy, policyServer } from '../../support/policy.ts'

const key = '{ kty: OKP, crv: Ed25519, alg: EdDSA, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }'
const documentWith = (rule: string) =>
  parseTestPolicy(`
clients: { orders: { kind: service }, nightly: { kind: worker } }
audiences:
  orders-api: { scopes: [orders:read], served_by: [orders] }
  jobs-api: { scopes: [reports:write] }
approvers: { grace: { inline: { keys: [${key}] } } }
rules:
  - ${rule.replace('{', '{ id: one,')}
`)
const dead = (rule: string) => findDeadRules(documentWith(rule)).map(({ why }) => why)
const user = 'for: { kind: [user] }'

describe('a rule that is warned of', () => {
  it.each([
    [
      'lets a machine be approved',
      '{ mode: machine, who: { kind: [worker] }, into: [jobs-api], require: { case_id: true, approval: true } }',
      'never permits: an approval is for a subject, and a machine has none but itself',
    ],
    [
      'asks a machine how it logged in',
      '{ mode: machine, who: { kind: [worker] }, into: [jobs-api], require: { acr: [mfa] } }',
      'never permits: it requires a login, and a machine has none',
    ],
    [
      'asks a machine when it logged in',
      '{ mode: machine, who: { kind: [worker] }, into: [jobs-api], require: { max_age: 1h } }',
      'never permits: it requires a login, and a machine has none',
    ],
    [
      'is for clients of another kind',
      `{ who: { client: [orders], kind: [worker] }, ${user}, into: [orders-api] }`,
      'never permits: none of its clients is of a kind that it is for',
    ],
    [
      'is for the own audiences of clients without any',
      `{ who: { kind: [worker] }, ${user}, into: own }`,
      'never permits: no audience is served by a client that it is for',
    ],
    [
      'has no scope of one of its audiences',
      `{ who: { kind: [worker] }, ${user}, into: [orders-api, jobs-api], scopes: [orders:read] }`,
      'permits no scope into jobs-api: the audience has none of its scopes',
    ],
  ])('%s', (_, rule, why) => {
    expect(dead(rule)).toEqual([why])
  })

  it.each([
    [
      'lets a machine ask for itself',
      '{ mode: machine, who: { kind: [worker] }, into: [jobs-api], require: { environment: [production] } }',
    ],
    [
      'asks a person',
      `{ who: { kind: [service] }, ${user}, into: own, require: { case_id: true, acr: [mfa], approval: true } }`,
    ],
    [
      'names a client and its kind',
      `{ who: { client: [orders], kind: [service] }, ${user}, into: [orders-api] }`,
    ],
    ['gives no scope and says so', `{ who: { kind: [worker] }, ${user}, into: [jobs-api], scopes: [] }`],
  ])('is none that %s', (_, rule) => {
    expect(dead(rule)).toEqual([])
  })

  it('requires an environment of a configuration that names none', () => {
    const document = documentWith(
      `{ who: { kind: [service] }, ${user}, into: own, require: { environment: [production] } }`,
    )
    expect(findPlacelessRules(document)).toMatchObject([{ id: 'one' }])
    expect(findPlacelessRules(documentWith(`{ who: { kind: [service] }, ${user}, into: own }`))).toEqual([])
  })

  it('permits nothing, whatever is asked', () => {
    fc.assert(
      fc.property(policies, document => {
        const ids = new Set(
          findDeadRules(document)
            .filter(({ why }) => why.startsWith('never'))
            .map(({ id }) => id),
        )
        const rules = document.rules.filter(({ id }) => ids.has(id))
        const policy = createPolicy({ ...document, rules }, policyServer)
        for (const { mode, into } of rules) {
          for (const audience of into === 'own' ? audienceIds : into) {
            for (const client of clientIds) {
              for (const question of everyOccasion({ mode, client, audience, scope: emptyScope })) {
                expect(policy.decide(question).effect).toBe('deny')
              }
            }
          }
        }
      }),
      { numRuns: 30 },
    )
  })
})
