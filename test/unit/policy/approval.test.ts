import { describe, expect, it } from 'vitest'
import type { VerifiedToken } from '../../../src/model/verified-token.ts'
import { parseActor } from '../../../src/oauth/actor.ts'
import { type ApprovedOccasion, decideWithApproval } from '../../../src/policy/approval.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import { aContext, aQuestion, aTokenOf, noon, parseTestPolicy, policyServer } from '../../support/policy.ts'

const policy = createPolicy(
  parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read] } }
approvers:
  grace: { inline: { keys: [{ kty: OKP, crv: Ed25519, alg: EdDSA, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }] } }
rules:
  - id: approved
    who: { client: [orders], actor: anyone }
    for: { kind: [user] }
    into: [orders-api]
    require: { case_id: true, approval: true }
`),
  policyServer,
)

/** Asks with a store that has whatever is looked for, and answers what that was. */
async function ask(subject: VerifiedToken, actorToken?: VerifiedToken) {
  const asked: ApprovedOccasion[] = []
  const context = aContext({ caseId: 'CASE-1' })
  const decision = await decideWithApproval(policy, aQuestion({ subject, actorToken, context }), {
    async find(occasion) {
      asked.push(occasion)
      return { ...occasion, id: 'a-1', approver: 'grace', expiresAt: noon + 60 }
    },
  })
  return { decision, asked }
}

function actedFor(act: Record<string, unknown>): VerifiedToken {
  const actor = parseActor(act, 9)
  const token = aTokenOf('alice', { iss: policyServer, act })
  return actor === undefined ? token : { ...token, actor }
}

describe('what is looked for in the store', () => {
  it('is an approval of the client where nobody else acts', async () => {
    const { decision, asked } = await ask(aTokenOf('alice'))
    expect(asked).toMatchObject([
      {
        actor: 'orders',
        actorIssuer: policyServer,
        subject: 'alice',
        mode: 'delegation',
        scope: ['orders:read'],
      },
    ])
    expect(decision).toMatchObject({ effect: 'permit', notAfter: noon + 60 })
    const client = await ask(actedFor({ sub: 'orders', iss: policyServer }))
    expect(client.asked).toMatchObject([{ actor: 'orders', actorIssuer: policyServer }])
  })

  it('is an approval of the person who acts, by a token or in act', async () => {
    const person = { actor: 'agent-7', actorIssuer: 'https://login.test' }
    const { decision, asked } = await ask(aTokenOf('alice'), aTokenOf('agent-7'))
    expect(asked).toMatchObject([person])
    expect(decision).toMatchObject({ effect: 'permit' })
    const later = await ask(actedFor({ sub: 'agent-7', iss: 'https://login.test' }))
    expect(later.asked).toMatchObject([person])
    expect(later.decision).toMatchObject({ effect: 'permit' })
  })

  it('does not help who approves what they do themselves at an earlier hop', async () => {
    const { decision } = await ask(actedFor({ sub: 'grace', iss: 'https://login.test' }))
    expect(decision).toMatchObject({ effect: 'deny' })
  })
})
