import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { asOrders, asWorker, machineClients } from '../support/machine-clients.ts'
import { parseTestPolicy } from '../support/policy.ts'
import { basic, createTestTokenService, type TestTokenService } from '../support/token-service.ts'

// A machine that acts for itself wants what only a user's token gets, and a user what only a machine may do.

const policy = parseTestPolicy(`
clients:
  orders: { kind: service }
  billing: { kind: service }
audiences:
  billing: { scopes: [orders:read], served_by: [orders] }
  ledger: { scopes: [orders:read], served_by: [billing] }
  orders-api: { scopes: [orders:read], served_by: [orders] }
rules:
  - { id: itself, mode: machine, who: { client: [orders] }, into: [billing, orders-api] }
  - { id: machines-to-ledger, who: { client: [billing] }, for: { kind: [machine] }, into: [ledger] }
  - { id: users-only, who: { client: [orders] }, for: { kind: [user] }, into: own }
`)

let sts: TestTokenService
beforeEach(async () => {
  const config = { policy, environment: undefined }
  sts = await createTestTokenService({ clients: machineClients(), config })
})

afterEach(() => {
  expect(JSON.stringify(sts.events)).not.toMatch(/eyJ[\w-]*\./)
})

const asBilling = basic('billing', 'billing-secret')

async function machineToken(audience: string): Promise<string> {
  const form = { grant_type: grantType.clientCredentials, audience, scope: 'orders:read' }
  return String((await sts.post(form, asOrders)).json['access_token'])
}

describe('F26: a machine that is dressed as a user, and a user as a machine', () => {
  it('F26 a machine token stays one over every hop', async () => {
    const first = await machineToken('billing')
    const next = await sts.exchange(
      { subject_token: first, audience: 'ledger', scope: 'orders:read' },
      asBilling,
    )
    expect(next.claims).toMatchObject({
      sub: 'orders',
      client_id: 'billing',
      subject_kind: 'machine',
      act: { sub: 'billing' },
    })
    expect(sts.lastEvent()).toMatchObject({ kind: 'issued', subject: 'orders', actors: ['billing'] })
  })

  it('F26 a machine gets nothing by a rule for users, whoever made its token', async () => {
    const ask = { audience: 'orders-api', scope: 'orders:read' }
    for (const claims of [{ sub: 'batch', client_id: 'batch' }, { subject_kind: 'machine' }]) {
      const subject = await sts.subjectToken(claims)
      expect(await sts.exchange({ ...ask, subject_token: subject }, asOrders)).toMatchObject({
        status: 403,
        json: { error: 'access_denied' },
      })
      expect(sts.lastEvent()).toMatchObject({
        kind: 'refused',
        error: 'access_denied',
        detail: 'rule users-only came closest; it lacks the kind of subject',
        tokenId: undefined,
      })
    }
    expect((await sts.exchange(ask, asOrders)).status).toBe(200)
    expect(sts.lastEvent()).toMatchObject({ kind: 'issued', subject: 'alice', actors: ['orders'] })
  })

  it('F26 no client gets a token for another than itself by its own credentials', async () => {
    const form = { grant_type: grantType.clientCredentials, audience: 'jobs-api', scope: 'reports:write' }
    sts = await createTestTokenService({ clients: machineClients() })
    const named = { sub: 'alice', subject: 'alice', subject_kind: 'user', client: 'orders' }
    expect((await sts.post({ ...form, ...named }, asWorker)).claims).toMatchObject({
      sub: 'worker',
      client_id: 'worker',
      subject_kind: 'machine',
    })
    const other = await sts.post({ ...form, client_id: 'orders' }, asWorker)
    expect(other).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
    expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error: 'invalid_request', tokenId: undefined })
  })

  it('F26 a user is no machine by bearing the name of the client that exchanges', async () => {
    sts = await createTestTokenService({ clients: machineClients() })
    const subject = await sts.subjectToken({ sub: 'orders', client_id: 'web' })
    const exchanged = await sts.exchange({
      subject_token: subject,
      audience: 'billing',
      scope: 'orders:read',
    })
    expect(exchanged.claims).toMatchObject({ sub: 'orders', client_id: 'orders', act: { sub: 'orders' } })
    const next = await sts.exchange(
      { subject_token: String(exchanged.json['access_token']), audience: 'ledger', scope: 'orders:read' },
      asBilling,
    )
    expect(next.claims).toMatchObject({ sub: 'orders' })
    expect(next.claims).not.toHaveProperty('subject_kind')
  })
})
