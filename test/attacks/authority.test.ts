import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StsClient } from '../../src/config/sidecar-config.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import type { TokenServiceEvent } from '../../src/sts/token-service-event.ts'
import { parseTestPolicy } from '../support/policy.ts'
import {
  basic,
  billingSecret,
  createTestTokenService,
  type FormParameters,
  ordersSecret,
  secretAuthentication,
  type TestTokenService,
  type TokenAnswer,
} from '../support/token-service.ts'

// A token service that any valid token can trigger is a privilege machine: a client brings somebody else's token, names an
// audience that is not its own, acts as a mightier person, or hides that anybody acts. The same attempts in other systems
// were CVE-2022-1245 (Keycloak), CVE-2026-56668 and CVE-2026-109374 (ZITADEL). Here a policy says who may, and each attempt
// stands beside the request that may. Everything that is refused is on record, with the rule that came closest.

const policy = parseTestPolicy(`
clients:
  orders: { kind: service }
  billing: { kind: service }
audiences:
  orders-api: { scopes: [orders:read, orders:refund], served_by: [orders] }
  billing: { scopes: [orders:read, billing:read], served_by: [billing] }
rules:
  - id: support
    who: { client: [orders], actor: { roles: [support], tenant: as-subject } }
    for: { kind: [user] }
    into: [orders-api]
    scopes: [orders:read]
    require: { case_id: 'CASE-[0-9]+' }
    ttl: 30s
  - { id: own, who: { kind: [service] }, for: { kind: [user] }, into: own, ttl: 40s }
  - id: view
    mode: impersonation
    who: { client: [orders], actor: anyone }
    for: { kind: [user] }
    into: [orders-api]
    scopes: [orders:read]
    require: { case_id: true, acr: [mfa] }
`)

const scope = ['orders:read', 'orders:refund']
const clients: readonly StsClient[] = [
  {
    id: 'orders',
    authentication: secretAuthentication(ordersSecret),
    accepts: ['shop-web'],
    audiences: new Map([
      ['orders-api', { scope, ttlSeconds: undefined }],
      ['billing', { scope: ['orders:read'], ttlSeconds: undefined }],
    ]),
  },
  { id: 'billing', authentication: secretAuthentication(billingSecret), accepts: [], audiences: undefined },
]

let sts: TestTokenService
beforeEach(async () => {
  sts = await createTestTokenService({ config: { policy, environment: 'test' }, clients })
})

afterEach(() => {
  const recorded = JSON.stringify(sts.events)
  expect(recorded).not.toMatch(/eyJ[\w-]*\./)
  for (const secret of [ordersSecret, billingSecret]) expect(recorded).not.toContain(secret)
})

const asBilling = basic('billing', billingSecret)
const inCase = { request_context: '{"case_id":"CASE-7"}' }

function refused(
  answer: TokenAnswer,
  status: number,
  error: string,
  event: Partial<TokenServiceEvent>,
): void {
  expect(answer).toMatchObject({ status, json: { error } })
  expect(sts.lastEvent()).toMatchObject({ kind: 'refused', error, tokenId: undefined, ...event })
}

function issued(
  answer: TokenAnswer,
  claims: Readonly<Record<string, unknown>>,
  event: Partial<TokenServiceEvent>,
): void {
  expect(answer.json['error_description']).toBeUndefined()
  expect(answer).toMatchObject({ status: 200, claims })
  expect(sts.lastEvent()).toMatchObject({ kind: 'issued', tokenId: answer.claims['jti'], ...event })
}

const alice = (claims: Record<string, unknown> = {}) => sts.subjectToken({ tenant: 'blue', ...claims })
const agent = (claims: Record<string, unknown> = {}) =>
  sts.subjectToken({ sub: 'agent-7', client_id: 'desk', tenant: 'blue', roles: ['support'], ...claims })

async function exchange(form: FormParameters, authorization?: string): Promise<TokenAnswer> {
  const parameters = { subject_token: await alice(), ...form }
  return authorization === undefined ? sts.exchange(parameters) : sts.exchange(parameters, authorization)
}

async function actAs(actorToken: string, form: FormParameters = inCase): Promise<TokenAnswer> {
  return exchange({ actor_token: actorToken, actor_token_type: tokenType.accessToken, ...form })
}

describe('I01: who exchanges what', () => {
  it('I01 a client does not get somebody else’s token exchanged for an audience that it names', async () => {
    // The token is meant for orders; billing is a client, and billing its own audience.
    refused(await exchange({ audience: 'billing', scope: undefined }, asBilling), 400, 'invalid_request', {
      client: 'billing',
      detail: 'client is not within the token audience',
    })
    const own = await alice({ aud: 'billing' })
    issued(
      await exchange({ subject_token: own, audience: 'billing', scope: undefined }, asBilling),
      { aud: 'billing' },
      {
        client: 'billing',
        decision: { rule: 'own', effect: 'permit', mode: 'delegation' },
      },
    )
  })

  it('H03 I01 a client does not get an audience that no rule gives it, although its configuration lists it', async () => {
    refused(await exchange({ audience: 'billing' }), 403, 'access_denied', {
      audience: 'billing',
      decision: { rule: 'own', effect: 'deny' },
      detail: 'rule own came closest; it lacks a client whose own audience it is',
    })
    issued(await exchange({}), { aud: 'orders-api' }, { audience: 'orders-api' })
  })

  it('H04 I01 scope only narrows: by what was presented, by the client’s configuration and by the rule', async () => {
    const wide = { scope: 'orders:read orders:refund' }
    refused(
      await exchange({ ...wide, subject_token: await alice({ scope: 'orders:read' }) }),
      400,
      'invalid_scope',
      {},
    )
    refused(await actAs(await agent(), { ...inCase, ...wide }), 403, 'access_denied', {
      detail: 'rule support came closest; it lacks a scope that it permits',
    })
    issued(await exchange(wide), { scope: 'orders:read orders:refund' }, {})
  })

  it('H05 a token lives no longer than the rule lets it', async () => {
    const { exp, iat } = (await exchange({})).claims as { exp: number; iat: number }
    expect(exp - iat).toBe(40)
    const acted = (await actAs(await agent())).claims as { exp: number; iat: number }
    expect(acted.exp - acted.iat).toBe(30)
  })
})

describe('I02: who acts, and who hides', () => {
  it('I02 F25 a person acts only by a rule, in their own tenant and under a case', async () => {
    refused(await actAs(await agent({ tenant: 'red' })), 403, 'access_denied', {
      decision: { rule: 'support', effect: 'deny' },
      person: { subject: 'agent-7', issuer: sts.login.issuer, fingerprint: expect.any(String) },
      detail: "rule support came closest; it lacks the subject's tenant",
    })
    refused(await actAs(await agent({ roles: ['sales'] })), 403, 'access_denied', {})
    refused(await actAs(await agent(), {}), 403, 'access_denied', {
      detail: 'rule support came closest; it lacks a case id',
    })
    issued(
      await actAs(await agent()),
      {
        act: { sub: 'agent-7', iss: sts.login.issuer, tenant: 'blue', roles: ['support'] },
        case_id: 'CASE-7',
      },
      {
        caseId: 'CASE-7',
        actors: ['agent-7'],
        decision: { rule: 'support', effect: 'permit', mode: 'delegation' },
      },
    )
  })

  it('F25 an act claim that the caller wrote into the request means nothing', async () => {
    const act = JSON.stringify({ sub: 'admin' })
    issued(await exchange({ act, may_act: act, sub: 'admin' }), { sub: 'alice', act: { sub: 'orders' } }, {})
  })

  it('I02 an actor token must be as good as a subject token', async () => {
    for (const token of [await agent({ exp: 1 }), await agent({ aud: 'other' }), 'not-a-token']) {
      refused(await actAs(token), 400, 'invalid_request', { client: 'orders' })
    }
    refused(await actAs(await agent({ cnf: { jkt: 'x' } })), 400, 'invalid_request', {})
    refused(await actAs(await agent({ aud: 'billing' })), 400, 'invalid_request', {
      detail: "client is not within the actor token's audience",
    })
    issued(await actAs(await agent()), { sub: 'alice' }, {})
  })

  it('I02 H05 what a person got does not outlive their own token', async () => {
    const exp = sts.clock.now() + 10
    issued(await actAs(await agent({ exp })), { exp }, {})
  })

  it('I02 nobody acts as themselves, and no machine as a person', async () => {
    refused(await actAs(await alice({ roles: ['support'] })), 403, 'access_denied', {
      detail: 'nobody acts for themselves',
    })
    refused(await actAs(await agent({ client_id: 'agent-7' })), 403, 'access_denied', {
      detail: 'a machine is no person who acts',
    })
  })

  it('I02 may_act that names another actor refuses, whatever the rules say', async () => {
    const named = await alice({ may_act: { sub: 'agent-8' } })
    const form = { ...inCase, subject_token: named }
    refused(await actAs(await agent(), form), 400, 'invalid_request', {
      detail: 'may_act of the subject token names another actor',
    })
    issued(await actAs(await agent({ sub: 'agent-8' }), form), { act: { sub: 'agent-8' } }, {})
  })

  it('I02 nobody is impersonated where only delegation is permitted, nor where may_act asks for a name', async () => {
    const mfa = { acr: 'mfa' }
    const impersonate = { ...inCase, exchange_mode: 'impersonation' }
    const weak = await exchange({ ...impersonate })
    refused(weak, 400, 'insufficient_user_authentication', { decision: { rule: 'view', effect: 'deny' } })
    expect(weak.json['acr_values']).toBe('mfa')
    const may_act = { sub: 'orders' }
    const named = await alice({ ...mfa, may_act })
    refused(await exchange({ ...impersonate, subject_token: named }), 400, 'invalid_request', {})
    const refund = { ...impersonate, subject_token: await alice(mfa), scope: 'orders:refund' }
    refused(await exchange(refund), 403, 'access_denied', {})
    const answer = await exchange({ ...impersonate, subject_token: await alice(mfa) })
    issued(
      answer,
      { sub: 'alice', impersonator: { sub: 'orders', client_id: 'orders' }, case_id: 'CASE-7' },
      {
        actors: [],
        decision: { rule: 'view', effect: 'permit', mode: 'impersonation' },
      },
    )
    expect(answer.claims).not.toHaveProperty('act')
    const { exp, iat } = answer.claims as { exp: number; iat: number }
    expect(exp - iat).toBe(60)
  })

  it('I02 an impersonated token says so for good, with everybody who acted before', async () => {
    const act = { sub: 'agent-7', iss: 'https://login.example.com' }
    const impersonate = { ...inCase, exchange_mode: 'impersonation' }
    const person = { actor_token: await agent({ acr: 'mfa' }), actor_token_type: tokenType.accessToken }
    const looked = await exchange({ ...impersonate, ...person, subject_token: await alice({ act }) })
    issued(looked, { impersonator: { sub: 'agent-7', client_id: 'orders' } }, { actors: [] })
    const before = { sub: 'batch', iss: 'https://login.example.com' }
    const hidden = await exchange({
      ...impersonate,
      ...person,
      subject_token: await alice({ act: before }),
    })
    issued(hidden, { impersonator: { sub: 'agent-7', act: before } }, {})
    expect(hidden.claims).not.toHaveProperty('act')
  })

  it('I02 whoever impersonates an impersonated subject hides nobody, and not without end', async () => {
    const again = clients.map(client => ({ ...client, accepts: ['shop-web', 'orders-api'] }))
    const service = await createTestTokenService({ config: { policy }, clients: again })
    const impersonate = async (subject_token: string, sub: string) =>
      service.exchange({
        ...inCase,
        exchange_mode: 'impersonation',
        subject_token,
        actor_token: await service.subjectToken({ sub, client_id: 'desk', acr: 'mfa' }),
        actor_token_type: tokenType.accessToken,
      })
    let token = await service.subjectToken()
    const first = await impersonate(token, 'agent-1')
    token = String(first.json['access_token'])
    const second = await impersonate(token, 'agent-2')
    expect(second.claims).toMatchObject({
      impersonator: { sub: 'agent-2', impersonator: { sub: 'agent-1', client_id: 'orders' } },
    })
    const own = await service.exchange({ ...inCase, subject_token: String(second.json['access_token']) })
    expect(own.claims).toMatchObject({ act: { sub: 'orders' }, impersonator: { sub: 'agent-2' } })
    for (let count = 0; count < 20; count++) {
      const next = await impersonate(token, `agent-${'x'.repeat(200)}`)
      if (next.status !== 200) break
      token = String(next.json['access_token'])
    }
    expect(service.lastEvent()).toMatchObject({ detail: 'the chain of impersonators is too long' })
  })

  it('I02 nobody is impersonated and no person acts where there is no policy', async () => {
    const plain = await createTestTokenService()
    const actor_token = await plain.subjectToken({ sub: 'agent-7', client_id: 'desk' })
    const person = { actor_token, actor_token_type: tokenType.accessToken }
    for (const form of [{ exchange_mode: 'impersonation' }, person]) {
      const answer = await plain.exchange({ ...form, subject_token: await plain.subjectToken() })
      expect(answer).toMatchObject({ status: 403, json: { error: 'access_denied' } })
    }
    expect(await plain.exchange({ subject_token: await plain.subjectToken() })).toMatchObject({ status: 200 })
  })

  it('I02 nobody acts as a person as whom, or for whom, somebody else acts', async () => {
    const act = { sub: 'storefront', iss: 'https://login.example.com' }
    refused(await actAs(await agent({ act })), 403, 'access_denied', {
      detail: 'somebody acts for the person who acts',
    })
    refused(await actAs(await agent({ impersonator: { sub: 'admin' } })), 403, 'access_denied', {
      detail: 'somebody impersonates the person who acts',
    })
  })

  it('H06 I02 a chain of actors has a depth, a length and no circles', async () => {
    const hops = (...subs: string[]) =>
      subs.reduceRight<Record<string, unknown> | undefined>(
        (act, sub) => ({ sub, iss: 'https://hub.example.com/sts', ...(act && { act }) }),
        undefined,
      )
    const plain = await createTestTokenService()
    const ask = async (act: unknown) =>
      plain.exchange({ subject_token: await plain.subjectToken({ act: act as Record<string, unknown> }) })
    expect(await ask(hops('a', 'b', 'c', 'd'))).toMatchObject({ json: { error: 'invalid_request' } })
    expect(plain.lastEvent()).toMatchObject({ detail: 'the chain of actors is too deep' })
    expect(await ask(hops('billing', 'orders', 'billing'))).toMatchObject({ status: 200 })
    expect(await ask(hops('a', 'orders', 'orders'))).toMatchObject({ json: { error: 'invalid_request' } })
    expect(plain.lastEvent()).toMatchObject({ detail: 'the chain of actors goes in a circle' })
    expect(await ask({ sub: 'x'.repeat(240), padding: 'y'.repeat(2_000) })).toMatchObject({
      json: { error: 'invalid_request' },
    })
    expect(plain.lastEvent()).toMatchObject({ detail: 'the chain of actors is too long' })
  })
})

describe('the case', () => {
  it('of a token cannot be exchanged for another one', async () => {
    const subject_token = await alice({ case_id: 'CASE-1' })
    refused(await actAs(await agent(), { ...inCase, subject_token }), 400, 'invalid_request', {
      detail: 'the request names another case than its token',
    })
    issued(await actAs(await agent(), { subject_token }), { case_id: 'CASE-1' }, { caseId: 'CASE-1' })
  })
})
