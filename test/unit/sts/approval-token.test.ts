import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import type { Approver } from '../../../src/policy/document.ts'
import { maxApprovalSeconds, readApproval, signApproval } from '../../../src/sts/approval-token.ts'
import { signCompactJws } from '../../../src/tokens/sign-compact-jws.ts'
import { noon } from '../../support/policy.ts'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const strange = generateKeyPairSync('ed25519')
const key = { algorithm: 'EdDSA', keyId: undefined, privateKey } as const
const approver = (name: string, half: typeof publicKey): [string, Approver] => [
  name,
  { name, subject: undefined, jwks: { keys: [{ ...half.export({ format: 'jwk' }), alg: 'EdDSA' }] } },
]
const approvers = new Map([approver('grace', publicKey), approver('heidi', strange.publicKey)])
const occasion = {
  actor: 'agent-7',
  actorIssuer: 'https://login.test',
  subject: 'alice',
  subjectIssuer: 'https://login.test',
  caseId: 'CASE-1',
  audience: 'orders-api',
  mode: 'impersonation',
  scope: scopeSet(['orders:read', 'orders:refund']),
} as const
const given = {
  iss: 'grace',
  aud: 'orders-api',
  actor: { iss: 'https://login.test', sub: 'agent-7' },
  subject: { iss: 'https://login.test', sub: 'alice' },
  case_id: 'CASE-1',
  mode: 'delegation',
  scope: 'orders:refund',
  iat: noon,
  exp: noon + 60,
  jti: 'a-1',
}
const header = { alg: 'EdDSA', typ: 'approval+jwt' }
const write = (claims: object = {}, head: object = {}) =>
  signCompactJws({ ...header, ...head }, { ...given, ...claims }, key)
const read = (text: string, now = noon) => readApproval(text, approvers, now)

describe('an approval', () => {
  it('says who the approver is where they act themselves', () => {
    const text = signApproval(key, 'grace', occasion, noon, 60)
    const [, grace] = approver('grace', publicKey)
    const known = new Map([['grace', { ...grace, subject: 'u-17' }]])
    expect(readApproval(text, known, noon)).toMatchObject({ value: { approverSubject: 'u-17' } })
  })

  it('is read as it was signed, until it ends', () => {
    const text = signApproval(key, 'grace', occasion, noon, 60)
    expect(read(text)).toMatchObject({
      ok: true,
      value: { ...occasion, approver: 'grace', expiresAt: noon + 60 },
    })
    expect(read(text, noon + 59).ok).toBe(true)
    expect(read(text, noon + 60)).toEqual({ ok: false, error: 'expired' })
    expect(read(write())).toMatchObject({ ok: true })
  })

  it.each([
    ['is something else that the person signed', write({}, { typ: 'JWT' })],
    ['has no type', write({}, { typ: undefined })],
    ['is signed by another approver', write({ iss: 'heidi' })],
    ['is of nobody who approves', write({ iss: 'mallory' })],
    ['has a name from a prototype', write({ iss: 'constructor' })],
    ['is to live too long', write({ exp: noon + maxApprovalSeconds + 1 })],
    ['is from a time to come', write({ iat: noon + 30 })],
    ['never ends', write({ exp: undefined })],
    ['does not say who acts', write({ actor: { sub: 'agent-7' } })],
    ['does not say for whom', write({ subject: 'alice' })],
    ['does not say in which case', write({ case_id: '' })],
    ['is for several audiences', write({ aud: ['orders-api', 'billing-api'] })],
    ['does not say how, as those of an earlier kind', write({ mode: undefined })],
    ['does not say how much, as those of an earlier kind', write({ scope: undefined })],
    ['is for a machine, that acts for itself', write({ mode: 'machine' })],
    ['is for several modes', write({ mode: ['delegation'] })],
    ['has a scope that is a list', write({ scope: ['orders:refund'] })],
    ['has a scope that is not readable', write({ scope: 'orders:refund  orders:read' })],
    ['has no name of its own', write({ jti: undefined })],
    [
      'was changed',
      write().replace(
        /\.[^.]+\./,
        `.${Buffer.from(JSON.stringify({ ...given, aud: 'x' })).toString('base64url')}.`,
      ),
    ],
  ])('is none when it %s', (_, text) => {
    expect(read(text).ok).toBe(false)
  })
})
