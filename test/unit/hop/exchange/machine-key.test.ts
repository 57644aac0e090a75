import { expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import type { CacheKeyContext } from '../../../../src/hop/exchange/cache-key.ts'
import { describeMachineKey, machineKey } from '../../../../src/hop/exchange/machine-key.ts'
import { deriveMachineSeal } from '../../../../src/hop/exchange/machine-seal.ts'
import { type MachineRequest, permitMachine } from '../../../../src/model/exchange-request.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { aRoute, aVerifiedToken } from '../../../support/nouns.ts'

const client = (secret: string, id = 'orders') => ({
  id,
  authentication: 'client_secret_basic' as const,
  secret: new Secret(secret),
})
const context: CacheKeyContext = {
  clientId: 'orders',
  server: 'https://hub.test',
  policyDigest: 'p',
  machineSeal: deriveMachineSeal(client('secret'), 'https://hub.test'),
}

function request(token = aVerifiedToken(), about: Partial<MachineRequest> = {}): MachineRequest {
  const permit = { effect: 'permit', rule: 'r', mode: 'machine' } as const
  const made = permitMachine(aRoute({ mode: 'machine' }), token, permit)
  if (made === undefined) throw new Error('not permitted')
  return { ...made, ...about }
}

it('is the same whoever calls', () => {
  const other = aVerifiedToken({
    subject: 'batch',
    fingerprint: 'f2',
    presented: new Secret('x'),
    expiresAt: 1_900_000_000,
  })
  const [one, two] = [machineKey(request(), context), machineKey(request(other), context)]
  expect(two.id).toBe(one.id)
  expect(two.seal.equals(one.seal)).toBe(true)
})

it.each<[string, Partial<MachineRequest>]>([
  ['audience', { audience: 'other' }],
  ['resource', { resource: 'https://other.test/' }],
  ['scope', { scope: scopeSet(['orders:read', 'x']) }],
  ['required scope', { requiredScope: scopeSet([]) }],
  ['life', { ttlSeconds: 7 }],
  ['end of the permit', { notAfter: 1_900_000_000 }],
])('is another for another %s', (_, about) => {
  expect(machineKey(request(undefined, about), context).id).not.toBe(machineKey(request(), context).id)
})

it.each<[string, Partial<CacheKeyContext>]>([
  ['client', { clientId: 'billing' }],
  ['server', { server: 'https://other.test' }],
  ['policy', { policyDigest: 'q' }],
  ['secret of the client', { machineSeal: deriveMachineSeal(client('other'), 'https://hub.test') }],
])('is another for another %s', (_, about) => {
  const [one, two] = [machineKey(request(), context), machineKey(request(), { ...context, ...about })]
  expect(two.id).not.toBe(one.id)
  expect(two.seal.equals(one.seal)).toBe(false)
})

it('is sealed by what its name does not tell, and is kept in memory without a secret', () => {
  const key = machineKey(request(), context)
  expect(key.isLocal).toBe(false)
  expect(key.seal).toHaveLength(32)
  expect(machineKey(request(), { ...context, machineSeal: undefined }).isLocal).toBe(true)
})

it('derives the seal from the secret, for one client at one server', () => {
  const seal = (secret: string, id?: string, server = 'https://hub.test') =>
    deriveMachineSeal(client(secret, id), server)?.toString('hex')
  expect(seal('a')).toBe(seal('a'))
  expect(new Set([seal('a'), seal('b'), seal('a', 'x'), seal('a', 'orders', 'https://b.test')]).size).toBe(4)
  const keyed = {
    id: 'orders',
    authentication: 'private_key_jwt',
    key: 'f',
    assertionAudience: 'issuer',
  } as const
  expect(deriveMachineSeal(keyed, 'https://hub.test')).toBeUndefined()
})

it('is described by everything that it depends on, without the secret', () => {
  const parts = describeMachineKey(request(), context)
  expect(parts.map(({ name }) => name)).toEqual([
    'server',
    'client_id',
    'policy',
    'client secret',
    'mode',
    'audience',
    'resource',
    'scope',
    'required_scope',
    'requested_token_type',
    'not_after',
    'ttl_seconds',
  ])
  expect(parts[3]?.value).toBe('[secret]')
  const without = { ...context, machineSeal: undefined }
  expect(describeMachineKey(request(), without)[3]?.value).toBeUndefined()
})
