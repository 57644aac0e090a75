import { describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import type { VerifiedToken } from '../../../../src/model/verified-token.ts'
import { parseActor } from '../../../../src/oauth/actor.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import { isNamedByMayAct } from '../../../../src/policy/may-act.ts'
import { nestActor } from '../../../../src/sts/grants/delegation.ts'

const client = { id: 'orders', issuer: 'https://hub.example.com' }

const budget = (maxActorDepth: number) => ({ maxActorDepth, maxActorBytes: 2_048, maxActorVisits: 2 })

describe('may_act', () => {
  it.each<[unknown]>([
    [undefined],
    [{ sub: 'orders' }],
    [{ sub: 'orders', iss: 'https://hub.example.com' }],
    [{ client_id: 'orders' }],
    [{ client_id: 'orders', sub: 'orders' }],
  ])('%j lets the client act', claim => {
    expect(isNamedByMayAct(claim, client)).toBe(true)
  })

  it.each<[unknown]>([
    [null],
    ['orders'],
    [['orders']],
    [{}],
    [{ iss: 'https://hub.example.com' }],
    [{ sub: 'billing' }],
    [{ sub: ['orders'] }],
    [{ sub: 'Orders' }],
    [{ sub: 'orders', iss: 'https://login.example.com' }],
    [{ sub: 'orders', iss: null }],
    [{ sub: 'orders', client_id: 'billing' }],
    [{ sub: 'billing', client_id: 'orders' }],
    [{ sub: 'orders', email: 'admin@example.com' }],
  ])('%j does not', claim => {
    expect(isNamedByMayAct(claim, client)).toBe(false)
  })
})

function token(act: Record<string, unknown> | undefined): VerifiedToken {
  const actor = act === undefined ? undefined : parseActor(act, 10)
  return {
    presented: new Secret(''),
    tokenType: tokenType.accessToken,
    issuer: 'https://login.example.com',
    subject: 'alice',
    audience: ['orders'],
    scope: scopeSet([]),
    ...(actor !== undefined && { actor }),
    expiresAt: 0,
    fingerprint: '',
    claims: act === undefined ? {} : { act },
  }
}

describe('the act claim', () => {
  it('names the client at this issuer', () => {
    expect(nestActor(token(undefined), client, budget(4))).toEqual({
      ok: true,
      value: { sub: 'orders', iss: client.issuer },
    })
  })

  it('holds the chain before as it came, with members that nobody here knows', () => {
    const act = { sub: 'web', tenant: 't1', act: { sub: 'batch', iss: 'https://a' } }
    expect(nestActor(token(act), client, budget(4))).toEqual({
      ok: true,
      value: { sub: 'orders', iss: client.issuer, act },
    })
  })

  it('does not nest the current actor into itself', () => {
    const act = { sub: 'orders', iss: client.issuer, act: { sub: 'web' } }
    expect(nestActor(token(act), client, budget(2))).toEqual({ ok: true, value: act })
  })

  it('takes nobody else’s word for what the current actor is', () => {
    const act = { sub: 'orders', iss: client.issuer, roles: ['support-lead'], tenant: 'blue' }
    expect(nestActor(token(act), client, budget(4))).toEqual({
      ok: true,
      value: { sub: 'orders', iss: client.issuer },
    })
    const membership = { roles: ['support'] }
    expect(nestActor(token(act), { ...client, membership }, budget(4))).toEqual({
      ok: true,
      value: { sub: 'orders', iss: client.issuer, roles: ['support'] },
    })
  })

  it.each([
    ['another issuer', { sub: 'orders', iss: 'https://login.example.com' }],
    ['no issuer', { sub: 'orders' }],
  ])('nests a namesake from %s', (_, act) => {
    expect(nestActor(token(act), client, budget(4))).toMatchObject({ value: { sub: 'orders', act } })
  })

  it('nests a client that acted before another one', () => {
    const act = { sub: 'web', act: { sub: 'orders', iss: client.issuer } }
    expect(nestActor(token(act), client, budget(3))).toMatchObject({ value: { sub: 'orders', act } })
  })

  it('grows to the cap and no deeper', () => {
    const act = { sub: 'web', act: { sub: 'batch' } }
    expect(nestActor(token(act), client, budget(3)).ok).toBe(true)
    expect(nestActor(token(act), client, budget(2))).toMatchObject({ error: { code: 'invalid_request' } })
    expect(nestActor(token(undefined), client, budget(0))).toMatchObject({
      error: { code: 'invalid_request' },
    })
  })

  it('is refused when the subject token has one that was not understood', () => {
    const { actor, ...unread } = token({ sub: 'web' })
    expect(nestActor(unread, client, budget(4))).toMatchObject({ error: { code: 'invalid_request' } })
  })
})
