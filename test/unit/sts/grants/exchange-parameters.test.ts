import { describe, expect, it } from 'vitest'
import type { StsClient } from '../../../../src/config/sidecar-config.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import {
  chooseTarget,
  exchangeTargets,
  readExchangeParameters,
} from '../../../../src/sts/grants/exchange-parameters.ts'
import type { TokenForm } from '../../../../src/sts/token-form.ts'

const required = { subject_token: 'x', subject_token_type: tokenType.accessToken }

function form(parameters: Record<string, string>, repeated: Record<string, string[]> = {}): TokenForm {
  return { one: name => parameters[name], all: name => repeated[name] ?? [] }
}

describe('exchange parameters', () => {
  it('are the subject token, what is wanted, and the scope that was asked for', () => {
    const read = readExchangeParameters(
      form({ ...required, scope: 'b a', requested_token_type: tokenType.jwt }),
    )
    expect(read).toEqual({
      ok: true,
      value: {
        subjectToken: 'x',
        issuedTokenType: tokenType.jwt,
        scope: ['a', 'b'],
        actorToken: undefined,
        mode: 'delegation',
        caseId: undefined,
      },
    })
  })

  it('hold who acts, in what mode and under which case', () => {
    const read = readExchangeParameters(
      form({
        ...required,
        actor_token: 'y',
        actor_token_type: tokenType.accessToken,
        exchange_mode: 'impersonation',
        request_context: '{"case_id":"CASE-1042","more":[1]}',
      }),
    )
    expect(read).toMatchObject({ value: { actorToken: 'y', mode: 'impersonation', caseId: 'CASE-1042' } })
  })

  it.each([
    ['an actor token without its type', { actor_token: 'y' }],
    ['a type without an actor token', { actor_token_type: tokenType.accessToken }],
    ['an actor token of another type', { actor_token: 'y', actor_token_type: tokenType.refreshToken }],
    ['a mode that is not there', { exchange_mode: 'machine' }],
    ['a context that is no object', { request_context: '["case_id"]' }],
    ['a context that is no JSON', { request_context: '{case_id:1}' }],
    ['a case twice', { request_context: '{"case_id":"A","case_id":"B"}' }],
    ['a case that is no plain word', { request_context: '{"case_id":"a b"}' }],
    ['a case that is no text', { request_context: '{"case_id":1}' }],
    [
      'a context that is too long',
      { request_context: JSON.stringify({ case_id: 'A', x: 'x'.repeat(5_000) }) },
    ],
  ])('refuse %s', (_, wrong) => {
    expect(readExchangeParameters(form({ ...required, ...wrong }))).toMatchObject({
      ok: false,
      error: { code: 'invalid_request' },
    })
  })

  it('tell a scope that was left out from one that was asked for', () => {
    const read = readExchangeParameters(form(required))
    expect(read).toMatchObject({ value: { scope: undefined, issuedTokenType: tokenType.accessToken } })
  })
})

const client: StsClient = {
  id: 'orders',
  authentication: { kind: 'private_key_jwt', jwks: { keys: [] } },
  accepts: [],
  // Some of these are no resource indicators, and stay unreachable as such even when somebody configures them.
  audiences: new Map(
    [
      'orders-api',
      '/v1',
      'https://api.example.com/v1',
      'https://api.example.com/v1#x',
      'https://api.example.com/v1#',
      'https://api.example.com/a/../b',
      'https://api.example.com/a/%2e%2E/v1',
    ].map(name => [name, { scope: ['b', 'a'], ttlSeconds: 30 }]),
  ),
}
const ordersResources = ['https://orders.example.com/', 'https://orders.example.com/v2']
const targets = exchangeTargets({
  ...client,
  audiences: new Map([
    ...(client.audiences ?? []),
    ['shop', { scope: [], resources: [...ordersResources, 'https://api.example.com/v1'], ttlSeconds: 30 }],
    ['depot', { scope: [], resources: ['https://depot.example.com/'], ttlSeconds: 30 }],
  ]),
})

function choose(audience: string[], resource: string[] = []) {
  const chosen = chooseTarget(form({}, { audience, resource }), targets)
  return chosen.ok ? chosen.value.audience : chosen.error.code
}

describe('the target of an exchange', () => {
  it('is an audience that the client may ask for, with its scopes and life', () => {
    expect(chooseTarget(form({}, { audience: ['orders-api'] }), targets)).toEqual({
      ok: true,
      value: { audience: 'orders-api', scope: ['a', 'b'], ttlSeconds: 30, resources: new Set() },
    })
  })

  it('may be named as a resource, or as both at once', () => {
    const name = 'https://api.example.com/v1'
    expect([choose([], [name]), choose([name], [name]), choose([name, name])]).toEqual([name, name, name])
  })

  it('may be an audience with a resource that is configured for it, and stays the audience', () => {
    for (const resource of ordersResources) expect(choose(['shop'], [resource])).toBe('shop')
    expect(choose(['shop', 'shop'], [ordersResources[0] ?? '', ordersResources[0] ?? ''])).toBe('shop')
  })

  it.each([
    ['none', [], []],
    ["an audience and another audience's resource", ['shop'], ['https://depot.example.com/']],
    ['an audience and its resource with a slash less', ['shop'], ['https://orders.example.com']],
    ['an audience with two of its resources', ['shop'], ordersResources],
    ['two audiences, one of them a resource of the other', ['shop', 'https://api.example.com/v1'], []],
    [
      'two audiences and the resource of one',
      ['shop', 'https://api.example.com/v1'],
      ['https://api.example.com/v1'],
    ],
    ['a resource that is configured for an audience, alone', [], ['https://depot.example.com/']],
    ['an audience of nobody with a resource', ['ledger'], ['https://depot.example.com/']],
    ['an audience of nobody', ['ledger'], []],
    ['an inherited name', ['constructor'], []],
    ['a name in another case', ['Orders-API'], []],
    ['a name with a slash more', ['https://api.example.com/v1/'], []],
    ['two audiences', ['orders-api', 'https://api.example.com/v1'], []],
    ['an allowed audience and another resource', ['orders-api'], ['https://api.example.com/v1']],
    ['a resource that is no URI', [], ['orders-api']],
    ['a relative resource', [], ['/v1']],
    ['a resource without scheme', [], ['//api.example.com/v1']],
    ['a resource with a fragment', [], ['https://api.example.com/v1#x']],
    ['a resource with an empty fragment', [], ['https://api.example.com/v1#']],
    ['a resource with dot segments', [], ['https://api.example.com/a/../b']],
    ['a resource with encoded dot segments', [], ['https://api.example.com/a/%2e%2E/v1']],
    ['a malformed resource beside the same audience', ['/v1'], ['/v1']],
  ])('cannot be %s', (_, audience, resource) => {
    expect(choose(audience, resource)).toBe('invalid_target')
  })

  it('cannot be configured with a scope that is none', () => {
    const audiences = new Map([['x', { scope: ['a b'], ttlSeconds: undefined }]])
    expect(() => exchangeTargets({ ...client, audiences })).toThrow(TypeError)
  })
})
