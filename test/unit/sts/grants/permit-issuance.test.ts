import { expect, it } from 'vitest'
import type { StsClient } from '../../../../src/config/sidecar-config.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import { createPolicy } from '../../../../src/policy/policy.ts'
import { permitIssuance } from '../../../../src/sts/grants/permit-issuance.ts'
import { aTokenOf, noon, parseTestPolicy, policyServer } from '../../../support/policy.ts'

const document = parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read] } }
approvers:
  grace: { inline: { keys: [{ kty: OKP, crv: Ed25519, alg: EdDSA, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }] } }
rules:
  - id: approved
    who: { client: [orders] }
    for: { kind: [user] }
    into: [orders-api]
    require: { case_id: true, approval: true }
`)

it('bounds what an approval permits by the end of the approval', async () => {
  const scope = scopeSet(['orders:read'])
  const permitted = await permitIssuance(
    {
      policy: createPolicy(document, policyServer),
      approvals: {
        find: async occasion => ({ ...occasion, id: 'a-1', approver: 'grace', expiresAt: noon + 7 }),
      },
      environment: undefined,
      issuer: policyServer,
      maxTtlSeconds: 300,
      budget: { maxActorDepth: 4, maxActorBytes: 2_048, maxActorVisits: 2 },
    },
    {
      client: { id: 'orders', accepts: [], audiences: undefined } as unknown as StsClient,
      target: { audience: 'orders-api', resources: new Set(), scope, ttlSeconds: undefined },
      scope,
      subject: { ...aTokenOf('alice'), audience: ['orders'], scope },
      actorToken: undefined,
      mode: 'delegation',
      caseId: 'CASE-1',
      issuedTokenType: tokenType.accessToken,
      now: noon,
    },
  )
  expect(permitted).toMatchObject({ ok: true, value: { issuance: { notAfter: noon + 7 }, caseId: 'CASE-1' } })
})
