import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bearerClaims, call, machineToken, startMachineHop, userToken } from '../support/machine-hop.ts'
import { sendRaw } from '../support/raw-client.ts'
import type { RunningHop } from '../support/start-hop.ts'
import { decodeClaims, decodeHeader } from '../support/token-service.ts'
import { response } from '../support/upstream.ts'

// Where a sidecar has a token of its own, a caller may get things done with more than the caller has. And where the context
// of a user travels beside a token, somebody may send the context of somebody else.

let hop: RunningHop
beforeEach(async () => {
  hop = await startMachineHop()
})
afterEach(async () => {
  await hop.close()
  const recorded = [...hop.lines, ...hop.tokenLines, ...hop.log].join('\n')
  expect(recorded).not.toMatch(/eyJ[\w-]*\.[\w-]/)
})

describe('F26: a route for machines', () => {
  it('F26 forwards the own token of the sidecar for a machine, and nothing of the caller', async () => {
    const token = await machineToken(hop)
    expect((await call(hop, '/jobs/1', token)).status).toBe(200)
    const request = await hop.upstream.request(0)
    expect(bearerClaims(request)).toMatchObject({
      sub: 'orders',
      client_id: 'orders',
      subject_kind: 'machine',
      aud: 'jobs-api',
      scope: 'jobs:run',
    })
    expect(bearerClaims(request)).not.toHaveProperty('act')
    expect(JSON.stringify(request)).not.toContain(token.split('.')[2])
    expect(request.header('txn-token')).toBeUndefined()
    expect(await hop.event()).toMatchObject({
      type: 'io.hopgate.hop.forwarded.v1',
      decision: { effect: 'permit', mode: 'machine' },
      inbound: { sub: 'batch' },
      outbound: { aud: 'jobs-api', jti: bearerClaims(request)['jti'] },
    })
    expect(hop.tokenLines.join()).toContain('"grant_type":"client_credentials"')
  })

  it("F26 refuses a user's token, and no token is asked for", async () => {
    const answer = await call(hop, '/jobs/1', await userToken(hop))
    expect(answer.status).toBe(403)
    expect(await hop.event()).toMatchObject({
      type: 'io.hopgate.hop.refused.v1',
      refusal: 'policy.denied',
      detail: 'the caller does not act for itself',
      decision: { effect: 'deny', rule: '/jobs/**#mode' },
    })
    expect(hop.tokenLines).toEqual([])
    expect(hop.upstream.requests).toEqual([])
  })

  it('F26 refuses a token of a user for whom a client of the same name acts', async () => {
    const token = await userToken(hop, { sub: 'batch', client_id: 'batch', act: { sub: 'desk' } })
    expect((await call(hop, '/jobs/1', token)).status).toBe(403)
    expect(await hop.event()).toMatchObject({ refusal: 'policy.denied' })
  })

  it('F26 gives no machine what its own token does not hold', async () => {
    expect((await call(hop, '/jobs/1', await machineToken(hop, { scope: 'orders:read' }))).status).toBe(403)
    expect(await hop.event()).toMatchObject({ refusal: 'policy.scope_missing' })
    await call(hop, '/jobs/1', await machineToken(hop, { scope: 'jobs:run jobs:stop' }))
    expect(bearerClaims(await hop.upstream.request(0))['scope']).toBe('jobs:run jobs:stop')
    await call(hop, '/jobs/1', await machineToken(hop, { scope: 'jobs:run' }))
    expect(bearerClaims(await hop.upstream.request(1))['scope']).toBe('jobs:run')
  })

  it('F26 a machine on a usual route stays a machine', async () => {
    await call(hop, '/orders/1', await machineToken(hop))
    expect(bearerClaims(await hop.upstream.request(0))).toMatchObject({
      sub: 'batch',
      subject_kind: 'machine',
      act: { sub: 'orders' },
    })
  })

  it('one token serves all callers, also those that come at once', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 12 }, (_, index) => machineToken(hop, { jti: `j${index}` })),
    )
    const answers = await Promise.all(tokens.map(token => call(hop, '/jobs/1', token)))
    expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 200))
    await call(hop, '/jobs/2', await machineToken(hop))
    const sent = new Set(hop.upstream.requests.map(request => request.header('authorization')))
    expect(sent.size).toBe(1)
    expect(hop.tokenLines).toHaveLength(1)
  })

  it('upstream that refuses the token makes for another one', async () => {
    hop.upstream.enqueue(response(401))
    await call(hop, '/jobs/1', await machineToken(hop))
    await call(hop, '/jobs/1', await machineToken(hop))
    const [first, second] = hop.upstream.requests.map(request => bearerClaims(request)['jti'])
    expect(first).not.toBe(second)
  })
})

describe('H10: dual identity', () => {
  it('H10 forwards both: the own token, and a Transaction Token for the caller', async () => {
    const token = await userToken(hop)
    expect((await call(hop, '/dual/1', token)).status).toBe(200)
    const request = await hop.upstream.request(0)
    expect(bearerClaims(request)).toMatchObject({ sub: 'orders', subject_kind: 'machine', aud: 'jobs-api' })
    const [transaction, ...more] = request.headerAll('txn-token')
    expect(more).toEqual([])
    expect(decodeHeader(transaction ?? '')['typ']).toBe('txntoken+jwt')
    expect(decodeClaims(transaction ?? '')).toMatchObject({
      sub: 'alice',
      aud: 'shop.example',
      scope: 'jobs:run',
      req_wl: 'orders',
      sub_id: { iss: hop.issuer.issuer },
    })
    expect(JSON.stringify(request)).not.toContain(token.split('.')[2])
    expect(await hop.event()).toMatchObject({
      type: 'io.hopgate.hop.forwarded.v1',
      decision: { mode: 'machine' },
      inbound: { sub: 'alice' },
      outbound: { jti: bearerClaims(request)['jti'] },
      transaction: { jti: decodeClaims(transaction ?? '')['jti'], fingerprint: expect.any(String) },
    })
  })

  it('H10 each caller has a context of their own beside the one own token', async () => {
    for (const sub of ['alice', 'bob', 'alice']) await call(hop, '/dual/1', await userToken(hop, { sub }))
    const seen = hop.upstream.requests.map(request => [
      bearerClaims(request)['jti'],
      decodeClaims(request.header('txn-token') ?? '')['sub'],
    ])
    expect(seen.map(([, sub]) => sub)).toEqual(['alice', 'bob', 'alice'])
    expect(new Set(seen.map(([id]) => id)).size).toBe(1)
  })

  it('H10 passes a Transaction Token that came with a machine on, unmodified', async () => {
    await call(hop, '/dual/1', await userToken(hop))
    const transaction = (await hop.upstream.request(0)).header('txn-token') ?? ''
    for (const path of ['/dual/2', '/jobs/2', '/orders/2']) {
      hop.upstream.clear()
      const answer = await call(hop, path, await machineToken(hop), { 'txn-token': transaction })
      expect(answer.status, path).toBe(200)
      expect((await hop.upstream.request(0)).headerAll('txn-token')).toEqual([transaction])
    }
  })

  it('H10 refuses when one of the two is missing, or both are a user', async () => {
    await call(hop, '/dual/1', await userToken(hop))
    const transaction = (await hop.upstream.request(0)).header('txn-token') ?? ''
    expect((await call(hop, '/dual/1', await machineToken(hop))).status).toBe(403)
    expect(await hop.event(1)).toMatchObject({
      refusal: 'policy.denied',
      detail: 'a machine came without a Transaction Token',
    })
    const both = await call(hop, '/dual/1', await userToken(hop), { 'txn-token': transaction })
    expect(both.status).toBe(403)
    expect(await hop.event(2)).toMatchObject({
      refusal: 'policy.denied',
      detail: 'a Transaction Token came with the token of a user',
    })
    expect((await fetch(`${hop.url}/dual/1`, { headers: { 'txn-token': transaction } })).status).toBe(401)
    expect(hop.upstream.requests).toHaveLength(1)
  })

  it('H10 refuses what is no Transaction Token of this trust domain', async () => {
    await call(hop, '/dual/1', await userToken(hop))
    const first = await hop.upstream.request(0)
    const transaction = first.header('txn-token') ?? ''
    const access = (first.header('authorization') ?? '').slice(7)
    const claims = decodeClaims(transaction)
    const foreign = await hop.issuer.sign({ ...claims, client_id: undefined }, { typ: 'txntoken+jwt' })
    const cut = `${transaction.slice(0, -2)}xx`
    hop.upstream.clear()
    for (const value of [foreign, cut, access, 'a.b.c', 'x', `${transaction}, ${transaction}`]) {
      const answer = await call(hop, '/orders/1', await machineToken(hop), { 'txn-token': value })
      expect(answer.status).toBe(401)
    }
    expect(hop.upstream.requests).toEqual([])
    expect(await hop.event(1)).toMatchObject({ refusal: 'token.invalid', status: 401 })
  })

  it('H10 refuses two of them', async () => {
    await call(hop, '/dual/1', await userToken(hop))
    const transaction = (await hop.upstream.request(0)).header('txn-token') ?? ''
    const token = await machineToken(hop)
    const field = `Txn-Token: ${transaction}\r\n`
    const bytes = `GET /orders/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n`
    const { responses } = await sendRaw(hop.port, `${bytes}${field}${field}\r\n`)
    expect(responses.map(({ status }) => status)).toEqual([400])
    expect(await hop.event(1)).toMatchObject({ refusal: 'token.ambiguous' })
  })

  it("H10 refuses somebody else's context beside a user's token", async () => {
    await call(hop, '/dual/1', await userToken(hop))
    const transaction = (await hop.upstream.request(0)).header('txn-token') ?? ''
    const ask = async (sub: string) =>
      (await call(hop, '/orders/1', await userToken(hop, { sub }), { 'txn-token': transaction })).status
    expect(await ask('bob')).toBe(401)
    expect(await hop.event(1)).toMatchObject({
      refusal: 'token.invalid',
      detail: 'Transaction Token: it is about another subject than the token',
    })
    expect(await ask('alice')).toBe(200)
  })

  it('H10 it never leaves the trust domain: not on a public route, not where none is configured', async () => {
    await call(hop, '/dual/1', await userToken(hop))
    const transaction = (await hop.upstream.request(0)).header('txn-token') ?? ''
    hop.upstream.clear()
    await fetch(`${hop.url}/public/1`, { headers: { 'txn-token': transaction } })
    expect((await hop.upstream.request(0)).header('txn-token')).toBeUndefined()
    const outside = await startMachineHop('', {
      more: '',
      routes: '\n  - { path: /orders/**, audience: orders-api, scope: orders:read }\n',
    })
    try {
      await call(outside, '/orders/1', await userToken(outside), { 'txn-token': transaction })
      expect((await outside.upstream.request(0)).header('txn-token')).toBeUndefined()
    } finally {
      await outside.close()
    }
  })

  it('H10 an upstream that hands it back does not show it to the caller', async () => {
    hop.upstream.answerWith(request =>
      response(200, 'ok', { 'Txn-Token': request.header('txn-token') ?? '', 'X-Kept': 'yes' }),
    )
    const answer = await call(hop, '/dual/1', await userToken(hop))
    expect(answer.headers.get('x-kept')).toBe('yes')
    expect(answer.headers.get('txn-token')).toBeNull()
  })

  it('H08 a Transaction Token in Authorization is no credential', async () => {
    await call(hop, '/dual/1', await userToken(hop))
    const transaction = (await hop.upstream.request(0)).header('txn-token') ?? ''
    expect((await call(hop, '/orders/1', transaction)).status).toBe(401)
    expect(await hop.event(1)).toMatchObject({ refusal: 'token.invalid' })
  })
})
