import { beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/base/log.ts'
import { tokenType } from '../../../src/oauth/token-type.ts'
import { createIssuerKeys } from '../../../src/tokens/issuer-keys.ts'
import { createTransactionTokenVerifier } from '../../../src/tokens/transaction-token.ts'
import { createFakeHttpClient } from '../../support/fake-http-client.ts'
import { rulesFor } from '../../support/issuer-rules.ts'
import { createTestIssuer, type TestIssuer } from '../../support/tokens.ts'

const now = 1_800_000_000
const trustDomain = 'shop.test'
let hub: TestIssuer
let other: TestIssuer
beforeAll(async () => {
  hub = await createTestIssuer({ issuer: 'https://hub.test' })
  other = await createTestIssuer({ issuer: 'https://hub.test' })
})

const good = {
  aud: trustDomain,
  client_id: undefined,
  txn: 't-1',
  req_wl: 'orders',
  scope: 'jobs:run',
  iat: now,
  exp: now + 60,
}

async function verify(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  signer = hub,
  at = now,
) {
  const token = await signer.sign({ ...good, ...claims }, { typ: 'txntoken+jwt', ...header })
  const rules = rulesFor(hub)
  const client = createFakeHttpClient(() => new Error('no network here'))
  const check = createTransactionTokenVerifier({
    ...rules,
    keys: createIssuerKeys(rules, { client, log: silentLog }),
    trustDomain,
    maxBytes: 4_096,
    leewaySeconds: 5,
    maxLifetimeSeconds: 300,
    maxActorDepth: 2,
  })
  return check(token, at)
}

describe('a Transaction Token', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
    ['with what is required', {}],
    ['with a context', { rctx: { ip: '192.0.2.1' }, tctx: {} }],
    ['without an issuer', { iss: undefined }],
    ['with a list of the one trust domain', { aud: [trustDomain] }],
    ['with a typ in full', {}, { typ: 'application/TXNTOKEN+jwt' }],
    ['with who asked before', { act: { sub: 'orders', act: { sub: 'web' } } }],
  ])('is accepted %s', async (_, claims, header) => {
    expect(await verify(claims, header)).toMatchObject({
      ok: true,
      value: { subject: 'alice', transaction: 't-1', requester: 'orders', tokenType: tokenType.transaction },
    })
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
    ['that is an access token', {}, { typ: 'at+jwt' }],
    ['without a typ', {}, { typ: undefined }],
    ['with the typ of older drafts', {}, { typ: 'txn_token' }],
    ['of another issuer', { iss: 'https://evil.test' }],
    ['of another trust domain', { aud: 'other.test' }],
    ['of two trust domains', { aud: [trustDomain, 'other.test'] }],
    ['without a trust domain', { aud: undefined }],
    ['without txn', { txn: undefined }],
    ['with a txn that is no text', { txn: 7 }],
    ['without req_wl', { req_wl: undefined }],
    ['without scope', { scope: undefined }],
    ['with an empty scope', { scope: '' }],
    ['without sub', { sub: undefined }],
    ['without iat', { iat: undefined }],
    ['without exp', { exp: undefined }],
    ['that lives too long', { exp: now + 301 }],
    ['of the future', { iat: now + 60, exp: now + 120 }],
    ['with a context that is no object', { rctx: 'x' }],
    ['with details that are no object', { tctx: [] }],
    ['with a chain that is too deep', { act: { sub: 'a', act: { sub: 'b', act: { sub: 'c' } } } }],
    ['that is bound to a key', { cnf: { jkt: 'x' } }],
    ['that is not signed', {}, { alg: 'none' }],
    ['of an unknown key', {}, { kid: 'k2' }],
    ['that is too long', { pad: 'x'.repeat(4_096) }],
  ])('is refused: one %s', async (_, claims, header) => {
    expect(await verify(claims, header)).toMatchObject({ ok: false, error: { code: 'token.invalid' } })
  })

  it('is refused when somebody else signed it, and when it has ended', async () => {
    expect(await verify({}, {}, other)).toMatchObject({ error: { code: 'token.invalid' } })
    expect(await verify({}, {}, hub, now + 64)).toMatchObject({ ok: true })
    expect(await verify({}, {}, hub, now + 65)).toMatchObject({ error: { code: 'token.invalid' } })
  })

  it('quotes nothing of what it refuses', async () => {
    const refused = await verify({ iss: 'https://canary.test/eyJ' })
    expect(refused.ok).toBe(false)
    expect(JSON.stringify(refused)).not.toContain('eyJhbGci')
  })
})
