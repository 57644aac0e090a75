import { beforeEach, describe, expect, it } from 'vitest'
import { grantType } from '../../src/oauth/grant-type.ts'
import { asOrders, asWorker, machineClients, workerSecret } from '../support/machine-clients.ts'
import { parseTestPolicy } from '../support/policy.ts'
import {
  basic,
  createTestTokenService,
  decodeHeader,
  type FormParameters,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

// RFC 6749 §4.4, the client credentials grant, with RFC 8707 targets and RFC 9068 tokens.

let sts: TestTokenService
beforeEach(async () => {
  sts = await createTestTokenService({ clients: machineClients() })
})

const form: FormParameters = {
  grant_type: grantType.clientCredentials,
  audience: 'jobs-api',
  scope: 'reports:write',
}
const ask = (changes: FormParameters = {}, authorization: string | undefined = asWorker) =>
  sts.post({ ...form, ...changes }, authorization)

describe('§4.4.2 request', () => {
  it('gives a client a token for itself', async () => {
    const { status, json, claims } = await ask()
    expect(status).toBe(200)
    expect(claims).toEqual({
      iss: tokenServiceIssuer,
      sub: 'worker',
      client_id: 'worker',
      aud: 'jobs-api',
      scope: 'reports:write',
      subject_kind: 'machine',
      txn: expect.any(String),
      iat: expect.any(Number),
      exp: sts.clock.now() + 120,
      jti: expect.any(String),
    })
    expect(decodeHeader(String(json['access_token']))).toMatchObject({ typ: 'at+jwt' })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'issued',
      grantType: 'client_credentials',
      client: 'worker',
      subject: 'worker',
      issuer: tokenServiceIssuer,
      audience: 'jobs-api',
      scope: 'reports:write',
      actors: [],
      tokenId: claims['jti'],
    })
  })

  it('takes credentials in the body as well', async () => {
    const credentials = { client_id: 'worker', client_secret: workerSecret }
    expect((await sts.post({ ...form, ...credentials }, undefined)).status).toBe(200)
  })

  it('is for clients that authenticate', async () => {
    expect(await ask({}, basic('worker', 'wrong'))).toMatchObject({
      status: 401,
      json: { error: 'invalid_client' },
    })
    expect(await sts.post({ ...form, client_id: 'worker' }, undefined)).toMatchObject({ status: 401 })
  })

  it('is no grant that a client has without being configured with it', async () => {
    const refused = await ask(
      { audience: 'ledger', scope: 'orders:read' },
      basic('billing', 'billing-secret'),
    )
    expect(refused).toMatchObject({ status: 400, json: { error: 'unauthorized_client' } })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      client: 'billing',
      error: 'unauthorized_client',
    })
  })

  it('is the only grant of a client that is configured with no other', async () => {
    expect(await sts.exchange({ audience: 'jobs-api' }, asWorker)).toMatchObject({
      json: { error: 'unauthorized_client' },
    })
  })

  it('is not there when no client has it', async () => {
    sts = await createTestTokenService()
    const { json } = await sts.send({ method: 'GET', path: '/sts/.well-known/openid-configuration' })
    expect(json['grant_types_supported']).toEqual([grantType.tokenExchange])
    expect((await sts.post(form)).json['error']).toBe('unsupported_grant_type')
  })

  it('is named in the metadata when a client has it', async () => {
    const { json } = await sts.send({ method: 'GET', path: '/sts/.well-known/openid-configuration' })
    expect(json['grant_types_supported']).toContain('client_credentials')
  })

  it.each<[string, FormParameters]>([
    ['none', { audience: undefined }],
    ["somebody else's", { audience: 'ledger' }],
    ['two', { audience: ['jobs-api', 'orders-api'] }],
    ['the token service', { audience: tokenServiceIssuer }],
  ])('asks for one audience that the client may have: %s is refused', async (_, changes) => {
    expect(await ask(changes)).toMatchObject({ status: 400, json: { error: 'invalid_target' } })
  })

  it('takes a resource (RFC 8707 §2) for the audience', async () => {
    const changes = { audience: 'billing', resource: 'https://billing.example/', scope: 'orders:read' }
    expect((await ask(changes, asOrders)).claims['aud']).toBe('billing')
  })
})

describe('§3.3 scope', () => {
  it.each([
    ['another', 'orders:read'],
    ['more', 'reports:write orders:read'],
    ['a malformed one', 'reports:write  x'],
  ])('that the client may not have is refused: %s', async (_, scope) => {
    expect(await ask({ scope })).toMatchObject({ status: 400, json: { error: 'invalid_scope' } })
  })

  it('that is not asked for is not granted', async () => {
    const { json, claims } = await ask({ scope: undefined })
    expect(json['scope']).toBe('')
    expect(claims).not.toHaveProperty('scope')
  })
})

describe('§4.4.3 response', () => {
  it('has no refresh token and no issued_token_type, and is not stored', async () => {
    const { json, headers } = await ask()
    expect(Object.keys(json).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type'])
    expect(json).toMatchObject({ token_type: 'Bearer', expires_in: 120, scope: 'reports:write' })
    expect(headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' })
  })

  it("lives no longer than the client's audience allows", async () => {
    const { json } = await ask({ audience: 'orders-api', scope: 'orders:read' }, asOrders)
    expect(json['expires_in']).toBe(60)
  })
})

describe('with a policy', () => {
  const policy = parseTestPolicy(`
clients:
  worker: { kind: worker }
  billing: { kind: service }
audiences:
  jobs-api: { scopes: [reports:write] }
  ledger: { scopes: [orders:read], served_by: [billing] }
rules:
  - id: worker-itself
    mode: machine
    who: { kind: [worker] }
    into: [jobs-api]
    scopes: [reports:write]
    require: { environment: [production] }
    ttl: 30s
  - id: own
    who: { kind: [service] }
    for: { kind: [user] }
    into: own
`)
  const withPolicy = (environment: string) =>
    createTestTokenService({ clients: machineClients(), config: { policy, environment } })

  it('only a rule for machines permits it, and bounds the life', async () => {
    sts = await withPolicy('production')
    expect((await ask()).json).toMatchObject({ expires_in: 30, scope: 'reports:write' })
  })

  it('is refused without a rule, and the record says what is lacking', async () => {
    sts = await withPolicy('staging')
    expect(await ask()).toMatchObject({ status: 403, json: { error: 'access_denied' } })
    expect(sts.lastEvent()).toMatchObject({
      kind: 'refused',
      client: 'worker',
      audience: 'jobs-api',
      detail: 'rule worker-itself came closest; it lacks the environment',
    })
  })

  it('a rule for delegation is none', async () => {
    sts = await withPolicy('production')
    const refused = await ask(
      { audience: 'ledger', scope: 'orders:read' },
      basic('billing', 'billing-secret'),
    )
    expect(refused).toMatchObject({ status: 403, json: { error: 'access_denied' } })
    expect(sts.lastEvent().detail).toBe('no rule permits machine into this audience')
  })
})
