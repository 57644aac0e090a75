import { expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import type { VerifiedToken } from '../../../../src/model/verified-token.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import { carryClaims } from '../../../../src/sts/grants/carried-claims.ts'

const own = 'https://hub.example.com'
const login = 'https://login.example.com'

function carry(claims: Record<string, unknown>, issuer = login, clientId = 'web') {
  const token: VerifiedToken = {
    presented: new Secret(''),
    tokenType: tokenType.accessToken,
    issuer,
    subject: 'alice',
    clientId,
    audience: ['orders'],
    scope: scopeSet([]),
    expiresAt: 0,
    fingerprint: '',
    claims,
  }
  return carryClaims(token, own)
}

it('carries how the subject logged in, and the transaction', () => {
  const claims = { acr: 'mfa', auth_time: 17, amr: ['pwd', 'otp'], txn: 't-1' }
  expect(carry(claims)).toMatchObject(claims)
})

it('carries that the subject is a machine, by whatever it is known as one', () => {
  expect(carry({ subject_kind: 'machine' })).toMatchObject({ subject_kind: 'machine' })
  expect(carry({}, login, 'alice')).toMatchObject({ subject_kind: 'machine' })
  expect(carry({ subject_kind: 'user' })).not.toHaveProperty('subject_kind')
})

it('carries nothing else', () => {
  const claims = {
    cnf: { jkt: 'x' },
    nonce: 'n',
    at_hash: 'h',
    c_hash: 'h',
    sid: 's',
    azp: 'web',
    roles: ['admin'],
    groups: ['g'],
    may_act: { sub: 'x' },
    tid: 't',
    email: 'a@example.com',
    nbf: 1,
  }
  expect(Object.keys(carry(claims)).sort()).toEqual(['sub_id', 'txn'])
})

it.each([
  { acr: 1 },
  { acr: '' },
  { acr: 'x'.repeat(257) },
  { auth_time: '17' },
  { auth_time: -1 },
  { amr: 'pwd' },
  { amr: ['pwd', 1] },
  { amr: Array.from({ length: 17 }, () => 'pwd') },
])('leaves out %j', claims => {
  expect(Object.keys(carry(claims)).sort()).toEqual(['sub_id', 'txn'])
})

it('starts a transaction where there is none', () => {
  expect(carry({}).txn).toMatch(/^[0-9a-f-]{36}$/)
  expect(carry({}).txn).not.toBe(carry({}).txn)
  expect(carry({ txn: { id: 1 } }).txn).toMatch(/^[0-9a-f-]{36}$/)
})

it('says whose subject it is, and believes nobody but itself about that', () => {
  const origin = { format: 'iss_sub', iss: login, sub: 'alice' }
  const forged = { format: 'iss_sub', iss: 'https://other.example.com', sub: 'admin' }
  expect(carry({}).sub_id).toEqual(origin)
  expect(carry({ sub_id: forged }).sub_id).toEqual(origin)
  expect(carry({ sub_id: forged }, own).sub_id).toEqual(forged)
})
