import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import type { ApprovedOccasion } from '../../src/policy/approval.ts'
import type { Approver } from '../../src/policy/document.ts'
import { readApproval, signApproval } from '../../src/sts/approval-token.ts'
import { createRedisApprovalStore, type RedisApprovalStore } from '../../src/sts/redis-approval-store.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

/** Both sign with one key here: who approved is what the store is asked about. */
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const key = { algorithm: 'EdDSA', keyId: undefined, privateKey } as const
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'EdDSA' }] }
const approvers = new Map<string, Approver>(
  ['grace', 'heidi'].map(name => [name, { name, subject: undefined, jwks }]),
)
let redis: TestRedis
let store: RedisApprovalStore

beforeAll(async () => {
  redis = await startRedis()
  const url = new Secret(redis.url)
  store = createRedisApprovalStore({ url, timeoutMs: 2_000, approvers, log: silentLog }, systemClock)
})
afterAll(async () => {
  await store.close()
  await redis.stop()
})

const occasion: ApprovedOccasion = {
  actor: 'agent-7',
  actorIssuer: 'https://login.test',
  subject: 'alice',
  subjectIssuer: 'https://login.test',
  caseId: 'CASE-1',
  audience: 'payments-api',
  mode: 'delegation',
  scope: scopeSet(['payments:read']),
}
const read = scopeSet(['payments:read'])
const refund = scopeSet(['payments:refund'])
const both = scopeSet(['payments:read', 'payments:refund'])

async function give(approver: string, about: Partial<ApprovedOccasion>) {
  const now = systemClock.now()
  const text = signApproval(key, approver, { ...occasion, ...about }, now, 60)
  const approval = readApproval(text, approvers, now)
  if (!approval.ok) throw new Error(approval.error)
  await store.put(text, approval.value)
}

const find = (about: Partial<ApprovedOccasion>) => store.find({ ...occasion, ...about }, ['grace', 'heidi'])

describe('the store of approvals', () => {
  it('finds an approval for its scope and less, and for nothing beyond', async () => {
    await give('grace', { caseId: 'CASE-2', scope: both })
    expect(await find({ caseId: 'CASE-2', scope: read })).toMatchObject({ approver: 'grace', scope: both })
    expect(await find({ caseId: 'CASE-2', scope: both })).toMatchObject({ approver: 'grace' })
    await give('grace', { caseId: 'CASE-2', scope: read })
    expect(await find({ caseId: 'CASE-2', scope: read })).toMatchObject({ scope: read })
    expect(await find({ caseId: 'CASE-2', scope: refund })).toBeUndefined()
  })

  it('looks on where one person has approved too little', async () => {
    await give('grace', { caseId: 'CASE-3', scope: read })
    expect(await find({ caseId: 'CASE-3', scope: refund })).toBeUndefined()
    await give('heidi', { caseId: 'CASE-3', scope: refund })
    expect(await find({ caseId: 'CASE-3', scope: refund })).toMatchObject({ approver: 'heidi' })
  })

  it('keeps the modes apart, and takes back what was given whatever its scope', async () => {
    await give('grace', { caseId: 'CASE-4', mode: 'impersonation', scope: both })
    expect(await find({ caseId: 'CASE-4' })).toBeUndefined()
    expect(await find({ caseId: 'CASE-4', mode: 'impersonation' })).toMatchObject({ mode: 'impersonation' })
    expect(await store.withdraw({ ...occasion, caseId: 'CASE-4' }, 'grace')).toBe(false)
    expect(await store.withdraw({ ...occasion, caseId: 'CASE-4', mode: 'impersonation' }, 'grace')).toBe(true)
    expect(await find({ caseId: 'CASE-4', mode: 'impersonation' })).toBeUndefined()
  })
})
