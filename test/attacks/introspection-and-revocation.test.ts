import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { jwtBearerClientAssertion } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { createMemoryRevocationStore } from '../../src/sts/memory-revocation-store.ts'
import type { RevocationStore } from '../../src/sts/revocation-store.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { textsOf } from '../support/jws-text.ts'
import { asBilling, asIdle, asOrders, issueFamily, type TokenFamily } from '../support/token-family.ts'
import {
  basic,
  billingSecret,
  createTestTokenService,
  decodeClaims,
  ordersSecret,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

// Who attacks these endpoints wants to go on with a token that was revoked, to revoke what belongs to another, or to learn
// something of a token or a secret. Beside each attempt stands the honest request that must go on working.

/** A store that lets a test do something between the question and its answer. */
function createSlowStore(): RevocationStore & { beforeAnswer: () => Promise<void> } {
  const store = createMemoryRevocationStore(createFakeClock(0))
  return {
    ...store,
    beforeAnswer: async () => {},
    async isRevoked(marks) {
      const answer = await store.isRevoked(marks)
      await this.beforeAnswer()
      return answer
    },
  }
}

let sts: TestTokenService
let family: TokenFamily
let revocations: ReturnType<typeof createSlowStore>

beforeEach(async () => {
  revocations = createSlowStore()
  sts = await createTestTokenService({ revocations })
  family = await issueFamily(sts)
})

afterEach(() => {
  const recorded = JSON.stringify(sts.events)
  expect(recorded).not.toMatch(/eyJ[\w-]*\./)
  for (const secret of [ordersSecret, billingSecret, 'canary']) expect(recorded).not.toContain(secret)
})

const isActive = async (token: string, authorization = asOrders): Promise<unknown> =>
  (await sts.ask('/introspect', { token }, { authorization })).json['active']

const revoke = (token: string, authorization = asOrders) => sts.ask('/revoke', { token }, { authorization })

describe('a token that was revoked', () => {
  /** The other signature (r, n − s) that verifies for the same key and text. */
  function twinOf(token: string): string {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const [header, payload, signature] = textsOf(token)
    const raw = Buffer.from(signature, 'base64url')
    const s = BigInt(`0x${raw.subarray(32).toString('hex')}`)
    const other = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')
    return `${header}.${payload}.${Buffer.concat([raw.subarray(0, 32), other]).toString('base64url')}`
  }

  it('A09 is dead in every spelling of its signature, and dies by any', async () => {
    const twin = twinOf(family.parent)
    expect(twin).not.toBe(family.parent)
    expect(await isActive(twin)).toBe(true)
    await revoke(twin)
    expect(await isActive(twin)).toBe(false)
    expect(await isActive(family.parent)).toBe(false)
    for (const subject_token of [twin, family.parent]) {
      expect((await sts.exchange({ subject_token, audience: 'orders' }, asBilling)).status).toBe(400)
    }
  })

  it('is nobody who acts for another either', async () => {
    const form = { actor_token: family.child, actor_token_type: tokenType.accessToken }
    await sts.exchange(form)
    const before = sts.lastEvent().detail
    await revoke(family.parent)
    expect((await sts.exchange(form)).json).toMatchObject({ error: 'invalid_request' })
    expect(sts.lastEvent()).toMatchObject({ kind: 'refused', detail: 'actor token: revoked' })
    expect(before).not.toContain('revoked')
  })

  it('G09 is worth nothing to an exchange that had asked just before: what comes out is dead', async () => {
    let isAsked = false
    revocations.beforeAnswer = async () => {
      if (isAsked) return
      isAsked = true
      expect((await revoke(family.parent)).status).toBe(200)
    }
    const answer = await sts.exchange({ subject_token: family.parent, audience: 'orders' }, asBilling)
    expect(isAsked).toBe(true)
    expect(answer.status).toBe(200)
    expect(await isActive(String(answer.json['access_token']))).toBe(false)
  })
})

describe('whoever revokes', () => {
  it('cannot use a token of another issuer that has the id of a token from here', async () => {
    const { jti } = decodeClaims(family.parent)
    const claims = { jti, client_id: 'orders', aud: 'orders', iss: tokenServiceIssuer }
    expect((await revoke(await sts.login.sign(claims))).status).toBe(200)
    expect((await revoke(await sts.subjectToken({ jti }))).status).toBe(200)
    expect(await isActive(family.parent)).toBe(true)
    await revoke(family.parent)
    expect(await isActive(family.parent)).toBe(false)
  })

  it('does not end tokens of another issuer that have the id of one from here', async () => {
    const { jti } = decodeClaims(family.parent)
    await revoke(family.parent)
    expect((await sts.exchange({ subject_token: await sts.subjectToken({ jti }) })).status).toBe(200)
  })

  it('cannot end a token whose ancestors it made up, nor save one', async () => {
    const { jti, lineage } = decodeClaims(family.child)
    const subject_token = await sts.subjectToken({ jti, lineage })
    const { claims, json } = await sts.exchange({ subject_token, audience: 'billing' })
    expect(claims).not.toHaveProperty('lineage')
    await revoke(family.parent)
    expect(await isActive(String(json['access_token']))).toBe(true)
  })

  it('is the client that the token was issued to: not its audience, not one who acts earlier in its chain', async () => {
    for (const [token, stranger] of [
      [family.parent, asBilling],
      [family.parent, asIdle],
      [family.child, asOrders],
    ] as const) {
      const answer = await revoke(token, stranger)
      expect(answer).toMatchObject({ status: 400, json: { error: 'unauthorized_client' } })
      expect(sts.lastEvent()).toMatchObject({ kind: 'refused', endpoint: 'revocation' })
    }
    expect(await isActive(family.grandchild)).toBe(true)
    await revoke(family.child, asBilling)
    expect(await isActive(family.grandchild)).toBe(false)
  })
})

describe('whoever asks', () => {
  it('G16 learns the same of every token that it is not told about, byte for byte', async () => {
    await revoke(family.parent)
    const answers = []
    for (const token of [family.parent, 'canary', 'a.b.c', await sts.subjectToken(), family.grandchild]) {
      const { status, headers, body } = await sts.ask('/introspect', { token }, { authorization: asIdle })
      answers.push(JSON.stringify([status, headers, body]))
    }
    expect(new Set(answers).size).toBe(1)
    expect(await isActive(family.child, asIdle)).toBe(false)
  })

  it('H01 is asked for one token in the body, and for nothing twice', async () => {
    const path = '/sts/introspect'
    const headers = new Map([
      ['content-type', ['application/x-www-form-urlencoded']],
      ['authorization', [asBilling]],
    ])
    for (const request of [
      { body: `token=canary&token=${family.parent}` },
      { query: `token=${family.parent}` },
      { body: `token=${family.parent}`, query: 'a=b' },
      { body: `token=%ff${family.parent}` },
      { body: '' },
    ]) {
      const answer = await sts.send({ path, headers, ...request })
      expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
    }
    expect((await sts.send({ path, headers, body: `token=${family.parent}` })).json['active']).toBe(true)
  })

  it('H07 guesses no secrets here that it may not guess at the token endpoint: failures are counted together', async () => {
    const guess = (endpoint: string) =>
      sts.ask(endpoint, { token: family.parent }, { authorization: basic('billing', 'wrong') })
    for (let count = 0; count < 10; count++) {
      expect((await guess('/introspect')).status).toBe(401)
      expect((await guess('/revoke')).status).toBe(401)
    }
    for (const endpoint of ['/introspect', '/revoke', '/token']) {
      expect((await guess(endpoint)).status).toBe(429)
      expect(sts.lastEvent()).toMatchObject({ kind: 'refused', client: 'billing', error: 'invalid_client' })
    }
    expect(await isActive(family.parent, asOrders)).toBe(true)
  })

  it('H08 cannot pass a signed answer off as anything else', async () => {
    const accept = 'application/token-introspection+jwt'
    const { body } = await sts.ask(
      '/introspect',
      { token: family.parent },
      { authorization: asBilling, accept },
    )
    const credentials = { client_assertion: body, client_assertion_type: jwtBearerClientAssertion }
    const asked = await sts.ask(
      '/introspect',
      { token: family.parent, ...credentials },
      { authorization: undefined },
    )
    expect(asked.status).toBe(401)
    expect((await sts.exchange({ subject_token: body, audience: 'orders' }, asBilling)).status).toBe(400)
    expect(await isActive(body, asBilling)).toBe(false)
  })

  it('H08 cannot ask in the name of a token: a good access token is no credential here', async () => {
    const answer = await sts.ask(
      '/introspect',
      { token: family.parent },
      { authorization: `Bearer ${family.parent}` },
    )
    expect(answer).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  })
})
