import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../../src/base/secret.ts'
import type { StsClient, StsConfig } from '../../src/config/sidecar-config.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { createMemoryReplayStore } from '../../src/sts/memory-replay-store.ts'
import { ReplayStoreError } from '../../src/sts/replay-store.ts'
import { createTicketSeal } from '../../src/sts/ticket-seal.ts'
import type { TokenServiceEvent } from '../../src/sts/token-service-event.ts'
import { parseTestPolicy } from '../support/policy.ts'
import {
  basic,
  createTestTokenService,
  type FormParameters,
  ordersSecret,
  secretAuthentication,
  type TestTokenService,
  type TokenAnswer,
  tokenServiceIssuer,
} from '../support/token-service.ts'

// A queue is read by many. Who finds a ticket there wants to redeem it without being the worker, twice, late, for another
// purpose or audience, or with more scope. Beside each attempt stands the honest worker.

const key = new Secret('k'.repeat(32))
const tickets = { key, ttlSeconds: 900 }
const asOrders = basic('orders', ordersSecret)
const asWorker = basic('worker', 'worker-secret')
const asOther = basic('other', 'other-secret')

const rule = { audience: 'jobs-api', purposes: ['invoice-run', 'export'], scope: ['orders:read'] }
const clients: StsClient[] = [
  {
    id: 'orders',
    authentication: secretAuthentication(ordersSecret),
    accepts: ['shop-web'],
    audiences: new Map(),
    tickets: { issue: [{ ...rule, ttlSeconds: 600 }], redeem: [] },
  },
  {
    id: 'worker',
    authentication: secretAuthentication('worker-secret'),
    accepts: [],
    audiences: new Map(),
    tickets: { issue: [], redeem: [{ ...rule, ttlSeconds: 60 }] },
  },
  {
    id: 'other',
    authentication: secretAuthentication('other-secret'),
    accepts: [],
    audiences: new Map(),
    tickets: { issue: [], redeem: [{ ...rule, audience: 'mail-api', ttlSeconds: 60 }] },
  },
]

let sts: TestTokenService
beforeEach(async () => {
  sts = await start()
})

afterEach(() => {
  expect(JSON.stringify(sts.events)).not.toMatch(/hgt1\.|eyJ[\w-]*\./)
})

const start = (config: Partial<StsConfig> = {}, options: Parameters<typeof createTestTokenService>[0] = {}) =>
  createTestTokenService({ clients, config: { tickets, ...config }, ...options })

const terms = { audience: 'jobs-api', purpose: 'invoice-run', scope: 'orders:read' }

async function askTicket(changes: FormParameters = {}, authorization = asOrders): Promise<TokenAnswer> {
  const form = {
    grant_type: grantType.tokenExchange,
    requested_token_type: tokenType.ticket,
    subject_token_type: tokenType.accessToken,
    subject_token: await sts.subjectToken({ act: { sub: 'desk' }, acr: 'mfa' }),
    ...terms,
    ...changes,
  }
  // A ticket is no JWT: the helper has no claims to read.
  return sts.post(form, authorization)
}

async function issueTicket(changes: FormParameters = {}): Promise<string> {
  return String((await askTicket(changes)).json['access_token'])
}

const redeem = (ticket: string, changes: FormParameters = {}, authorization = asWorker) =>
  sts.post(
    {
      grant_type: grantType.tokenExchange,
      subject_token_type: tokenType.ticket,
      subject_token: ticket,
      ...terms,
      ...changes,
    },
    authorization,
  )

function expectRefused(answer: TokenAnswer, error: string, event: Partial<TokenServiceEvent> = {}): void {
  expect(answer).toMatchObject({ json: { error } })
  expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error, tokenId: undefined, ...event })
}

describe('an honest ticket', () => {
  it('is opaque, is no bearer token, and becomes one token in which the worker acts for the subject', async () => {
    const { status, json } = await askTicket()
    expect(status).toBe(200)
    expect(json).toMatchObject({
      token_type: 'N_A',
      issued_token_type: tokenType.ticket,
      expires_in: 600,
      scope: 'orders:read',
    })
    const ticket = String(json['access_token'])
    expect(ticket).toMatch(/^hgt1\.[\w-]+$/)
    expect(sts.lastEvent()).toMatchObject({
      kind: 'issued',
      client: 'orders',
      subject: 'alice',
      audience: 'jobs-api',
      purpose: 'invoice-run',
      actors: ['orders', 'desk'],
    })
    const redeemed = await redeem(ticket)
    expect(redeemed.json).toMatchObject({
      token_type: 'Bearer',
      issued_token_type: tokenType.accessToken,
      expires_in: 60,
    })
    expect(redeemed.claims).toMatchObject({
      iss: tokenServiceIssuer,
      sub: 'alice',
      aud: 'jobs-api',
      client_id: 'worker',
      scope: 'orders:read',
      act: { sub: 'worker', act: { sub: 'orders', act: { sub: 'desk' } } },
      sub_id: { format: 'iss_sub', iss: sts.login.issuer, sub: 'alice' },
      acr: 'mfa',
      lineage: expect.any(String),
    })
    expect(redeemed.claims).not.toHaveProperty('purpose')
    expect(sts.lastEvent()).toMatchObject({
      kind: 'issued',
      client: 'worker',
      subject: 'alice',
      purpose: 'invoice-run',
      actors: ['worker', 'orders', 'desk'],
    })
  })

  it('may be redeemed when the token that it was issued for has ended', async () => {
    const ticket = await issueTicket()
    sts.clock.advanceMs(400_000)
    expect((await redeem(ticket)).status).toBe(200)
  })

  it('lives no longer than the rule and the configuration say', async () => {
    sts = await start({ tickets: { key, ttlSeconds: 30 } })
    expect((await askTicket()).json['expires_in']).toBe(30)
  })
})

describe('a ticket in other hands', () => {
  it('is good once', async () => {
    const ticket = await issueTicket()
    expect((await redeem(ticket)).status).toBe(200)
    expectRefused(await redeem(ticket), 'invalid_request', {
      detail: 'ticket: used before',
      subject: 'alice',
    })
    expect((await redeem(await issueTicket())).status).toBe(200)
  })

  it('is good once over replicas, also at the same moment', async () => {
    const replay = createMemoryReplayStore(sts.clock)
    sts = await start({}, { replay })
    const ticket = await issueTicket()
    const other = await start({}, { replay })
    const form = {
      grant_type: grantType.tokenExchange,
      subject_token_type: tokenType.ticket,
      subject_token: ticket,
      ...terms,
    }
    const answers = await Promise.all([sts, other, sts, other].map(one => one.post(form, asWorker)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
  })

  it('is refused while nobody can say whether it was used, and is not used up', async () => {
    const store = createMemoryReplayStore(sts.clock)
    let isDown = true
    const replay = {
      ...store,
      use: (id: string, expiresAt: number) =>
        isDown ? Promise.reject(new ReplayStoreError('down')) : store.use(id, expiresAt),
    }
    sts = await start({}, { replay })
    const ticket = await issueTicket()
    expectRefused(await redeem(ticket), 'temporarily_unavailable')
    isDown = false
    expect((await redeem(ticket)).status).toBe(200)
  })

  it('is not used up by an attempt that is refused', async () => {
    const ticket = await issueTicket()
    expectRefused(await redeem(ticket, { scope: 'orders:refund' }), 'invalid_scope')
    expectRefused(await redeem(ticket, {}, asOther), 'invalid_target')
    expect((await redeem(ticket)).status).toBe(200)
  })

  it('ends', async () => {
    const ticket = await issueTicket()
    sts.clock.advanceMs(599_000)
    expect((await redeem(ticket)).json['expires_in']).toBe(1)
    const late = await issueTicket()
    sts.clock.advanceMs(600_000)
    expectRefused(await redeem(late), 'invalid_request', { detail: 'ticket: expired' })
  })

  it('is for its audience and purpose', async () => {
    const ticket = await issueTicket()
    expectRefused(await redeem(ticket, { purpose: 'export' }), 'invalid_request', {
      detail: 'ticket: it is for another purpose',
      purpose: 'export',
    })
    expectRefused(await redeem(ticket, { audience: 'mail-api' }, asOther), 'invalid_request', {
      detail: 'ticket: it is for another audience',
    })
    expectRefused(await redeem(ticket, { purpose: undefined }), 'invalid_request')
    expectRefused(await redeem(ticket, { audience: undefined }), 'invalid_target')
  })

  it('is for a worker that may redeem it, by its own authentication', async () => {
    const ticket = await issueTicket()
    for (const authorization of [asOther, asOrders]) {
      expectRefused(await redeem(ticket, {}, authorization), 'invalid_target')
    }
    expectRefused(await redeem(ticket, {}, basic('worker', 'wrong')), 'invalid_client')
    expect((await redeem(ticket)).status).toBe(200)
  })

  it('holds no more scope than the subject token, the rules and the ticket all hold', async () => {
    expectRefused(await askTicket({ scope: 'orders:refund' }), 'invalid_scope')
    const ticket = await issueTicket({ scope: undefined })
    expectRefused(await redeem(ticket), 'invalid_scope')
    expect((await redeem(ticket, { scope: undefined })).claims).not.toHaveProperty('scope')
  })

  it('is no access token, no assertion and no subject of anything else', async () => {
    const ticket = await issueTicket()
    for (const type of [tokenType.accessToken, tokenType.jwt, tokenType.transaction]) {
      const answer = await redeem(ticket, { subject_token_type: type })
      expect(answer).toMatchObject({ status: 400, json: { error: expect.stringMatching(/^invalid_/) } })
    }
    expectRefused(await redeem(ticket, { requested_token_type: tokenType.ticket }), 'invalid_request')
    expectRefused(await redeem(ticket, { requested_token_type: tokenType.transaction }), 'invalid_request')
  })

  it('an access token is no ticket', async () => {
    expectRefused(await redeem(await sts.subjectToken()), 'invalid_request', {
      detail: 'ticket: it does not open',
    })
  })

  it('does not open when one character is another', async () => {
    const ticket = await issueTicket()
    for (const index of [0, 4, 5, 20, 60, ticket.length - 1]) {
      const other = ticket[index] === 'A' ? 'B' : 'A'
      const changed = ticket.slice(0, index) + other + ticket.slice(index + 1)
      expectRefused(await redeem(changed), 'invalid_request', { detail: 'ticket: it does not open' })
    }
    expectRefused(await redeem(ticket.slice(0, -4)), 'invalid_request')
    expect((await redeem(ticket)).status).toBe(200)
  })

  it('does not open under another key, nor at another token service with the same key', async () => {
    const ticket = await issueTicket()
    const foreign = createTicketSeal(key, 'https://other.example').seal({ sub: 'admin' })
    expectRefused(await redeem(foreign), 'invalid_request', { detail: 'ticket: it does not open' })
    sts = await start({ tickets: { key: new Secret('r'.repeat(32)), ttlSeconds: 900 } })
    expectRefused(await redeem(ticket), 'invalid_request', { detail: 'ticket: it does not open' })
  })

  it('is not issued for a purpose, an audience or a subject token that is not for the client', async () => {
    expectRefused(await askTicket({ purpose: 'payroll' }), 'invalid_target')
    expectRefused(await askTicket({ audience: 'mail-api' }), 'invalid_target')
    expectRefused(await askTicket({}, asWorker), 'invalid_target')
    const other = await sts.subjectToken({ aud: 'billing' })
    expectRefused(await askTicket({ subject_token: other }), 'invalid_request')
  })

  const asWeb = basic('web', 'web-secret')
  /** Another client, whose token of this service `orders` holds. */
  const issueByWeb = async (): Promise<string> => {
    const authentication = secretAuthentication('web-secret')
    const audiences = new Map([['orders', { scope: ['orders:read'], ttlSeconds: undefined }]])
    const web = { id: 'web', authentication, accepts: ['shop-web'], audiences }
    sts = await start({}, { clients: [...clients, web] })
    const subject_token = await sts.subjectToken({ aud: 'shop-web' })
    const form = { audience: 'orders', scope: 'orders:read', subject_token }
    return String((await sts.exchange(form, asWeb)).json['access_token'])
  }

  it('dies with the token of this service that it was issued for', async () => {
    const own = await issueByWeb()
    const subject = { subject_token: own }
    const [first, late, spare] = [
      await issueTicket(subject),
      await issueTicket(subject),
      await issueTicket(subject),
    ]
    expect((await redeem(spare)).status).toBe(200)
    await sts.ask('/revoke', { token: own }, { authorization: asWeb })
    expectRefused(await redeem(first), 'invalid_request', { detail: 'subject token: revoked' })
    // The token would have ended by now, and the tickets have not.
    sts.clock.advanceMs(599_000)
    expectRefused(await redeem(late), 'invalid_request', { detail: 'subject token: revoked' })
  })

  it('dies by the hand of the client that it was issued to, and of no other', async () => {
    const [ticket, spare] = [await issueTicket(), await issueTicket()]
    const stranger = await sts.ask('/revoke', { token: ticket }, { authorization: asWorker })
    expect(stranger.json).toMatchObject({ error: 'unauthorized_client' })
    expect((await sts.ask('/introspect', { token: ticket })).json).toEqual({ active: false })
    await sts.ask('/revoke', { token: ticket }, { authorization: asOrders })
    expect(sts.lastEvent()).toMatchObject({ kind: 'revoked', client: 'orders', audience: 'jobs-api' })
    expectRefused(await redeem(ticket), 'invalid_request', { detail: 'subject token: revoked' })
    expect((await redeem(spare)).status).toBe(200)
  })

  it('cannot be revoked when it is not whole or has ended, and nobody is told', async () => {
    const ticket = await issueTicket()
    for (const token of [`${ticket}A`, ticket.slice(0, -1), `hgt1.${'A'.repeat(40)}`]) {
      expect(await sts.ask('/revoke', { token }, { authorization: asOrders })).toMatchObject({
        status: 200,
        body: '',
      })
      expect(sts.lastEvent()).toMatchObject({ kind: 'inactive', endpoint: 'revocation' })
    }
    const spare = await issueTicket()
    expect((await redeem(ticket)).status).toBe(200)
    sts.clock.advanceMs(601_000)
    await sts.ask('/revoke', { token: spare }, { authorization: asOrders })
    expect(sts.lastEvent()).toMatchObject({ kind: 'inactive', endpoint: 'revocation' })
  })

  it('dies also when that token is revoked after its end', async () => {
    const own = await issueByWeb()
    const [ticket, spare] = [
      await issueTicket({ subject_token: own }),
      await issueTicket({ subject_token: own }),
    ]
    sts.clock.advanceMs(300_000)
    expect((await redeem(spare)).status).toBe(200)
    await sts.ask('/revoke', { token: own }, { authorization: asWeb })
    expect(sts.lastEvent()).toMatchObject({ kind: 'revoked', client: 'web' })
    expectRefused(await redeem(ticket), 'invalid_request', { detail: 'subject token: revoked' })
  })
})

describe('with a policy', () => {
  const policy = parseTestPolicy(`
clients:
  orders: { kind: service }
  worker: { kind: worker }
audiences:
  jobs-api: { scopes: [orders:read], served_by: [worker] }
rules:
  - { id: enqueue, who: { kind: [service] }, for: { kind: [user] }, into: [jobs-api], ticket: { issue: [invoice-run] }, ttl: 5m }
  - { id: dequeue, who: { kind: [worker] }, for: { kind: [user] }, into: own, ticket: { redeem: [invoice-run] } }
`)
  const unlisted = clients
    .slice(0, 2)
    .map(({ tickets: _, ...client }) => ({ ...client, audiences: undefined }))

  it('each side needs a rule for tickets of the purpose', async () => {
    sts = await start({ policy }, { clients: unlisted })
    const { json } = await askTicket({ subject_token: await sts.subjectToken() })
    expect(json['expires_in']).toBe(300)
    const ticket = String(json['access_token'])
    expectRefused(await redeem(ticket, {}, asOrders), 'access_denied', {
      decision: expect.objectContaining({ rule: 'enqueue' }),
    })
    expect((await redeem(ticket)).claims).toMatchObject({ act: { sub: 'worker', act: { sub: 'orders' } } })
    expectRefused(
      await askTicket({ purpose: 'export', subject_token: await sts.subjectToken() }),
      'access_denied',
    )
    expectRefused(await askTicket({}, asWorker), 'invalid_request')
  })

  it('a rule for tickets permits no exchange, and a rule without no ticket', async () => {
    sts = await start({ policy }, { clients: unlisted })
    expectRefused(
      await sts.exchange({ audience: 'jobs-api', scope: 'orders:read' }, asOrders),
      'access_denied',
      {
        detail: 'rule enqueue came closest; it lacks a ticket to issue for one of its purposes',
      },
    )
    const plain = parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { jobs-api: { scopes: [orders:read] } }
rules: [{ id: any, who: { kind: [service] }, for: { kind: [user] }, into: [jobs-api] }]
`)
    sts = await start({ policy: plain }, { clients: unlisted.slice(0, 1) })
    expectRefused(await askTicket({ subject_token: await sts.subjectToken() }), 'access_denied', {
      detail: 'rule any came closest; it lacks a word on tickets',
    })
    expect((await sts.exchange({ audience: 'jobs-api', scope: 'orders:read' }, asOrders)).status).toBe(200)
  })
})
